"""CLIP towers: the shipped one (a small CoCa of open_clip with a convolutional stem) and any of open_clip's by name.

pictures (B, 3, 64, 64) -> stem -> 16 tokens + class token -> blocks -> tokens (B, 16, width)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from open_clip.coca_model import CoCa
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.pretrained.loading import open_clip_models
from headtohead.pretrained.loading.by_name import ModelError, weights_hash
from headtohead.pretrained.networks import small_llama
from headtohead.utils.tensor_shapes import mean_and_std


class Stem(nn.Sequential):
    """Convolutions in place of the patch projection: a linear map of 16 x 16 raw pixels does not see outlines."""

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        layers: list[nn.Module] = []
        before = 3
        for k, after in enumerate(channels):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.GELU()]
            if k:
                layers += [nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.GELU()]
            before = after
        super().__init__(*layers, nn.Conv2d(before, width, 3, 2, 1))


def build(config: dict[str, Any]) -> CoCa:
    """A CoCa with new weights; the config holds open_clip's three and the stem's channels."""
    model = CoCa(config["embed_dim"], config["multimodal_cfg"], config["text_cfg"], config["vision_cfg"])
    model.visual.conv1 = Stem(tuple(config["stem"]), config["vision_cfg"]["width"])
    # open_clip leaves this projection uninitialised when a CoCa is built without weights.
    nn.init.normal_(model.text_decoder.text_projection, std=config["multimodal_cfg"]["width"] ** -0.5)
    return model


def read(model: CoCa, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Text pooled at </s> (B, embed_dim), and token states (B, L, width), of ids (B, L).

    open_clip's own forward pass needs texts padded to the full context; a causal mask cut to the longest text of the
    batch gives the same result at a fraction of the cost.
    """
    tower = model.text
    x, mask = tower._embeds(ids)
    length = ids.shape[1]
    tokens = tower.ln_final(tower.transformer(x, attn_mask=mask[:length, :length]))
    end = (ids == small_llama.EOS).int().argmax(1)
    return tokens[torch.arange(len(ids)), end] @ tower.text_projection, tokens


class ClipTower(nn.Module):
    """A frozen CoCa: image tokens for heads, and embeddings of pictures and texts for measuring it."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: CoCa) -> None:
        super().__init__()
        self.model = model
        width = model.visual.positional_embedding.shape[-1]
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def raw_tokens(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, N, width): the last block's tokens, without final norm or class token."""
        out = self.model.visual.forward_intermediates(
            pictures * 2 - 1, indices=1, intermediates_only=True, output_fmt="NLC"
        )
        tokens: Tensor = out["image_intermediates"][-1]
        return tokens

    def encode(self, pictures: Tensor) -> Tensor:
        """Tokens (B, N, width), standardised per channel: raw channels differ in scale by orders of magnitude."""
        return (self.raw_tokens(pictures) - self.mean) / self.std

    @torch.no_grad()
    def measure(self, pictures: Tensor) -> None:
        """Set the channels' mean and deviation to those over pictures (B, 3, H, W)."""
        tokens = self.raw_tokens(pictures).flatten(0, 1)
        self.mean.copy_(tokens.mean(0))
        self.std.copy_(tokens.std(0).clamp(min=1e-4))

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, embed_dim)."""
        embedding: Tensor = self.model.encode_image(pictures * 2 - 1)
        return embedding

    def embed_texts(self, texts: list[str]) -> Tensor:
        """Unit vectors (B, embed_dim)."""
        ids = small_llama.encode(texts, self.model.context_length, str(self.mean.device))
        return F.normalize(read(self.model, ids)[0], dim=-1)


class OpenTower(nn.Module):
    """The vision tower of an open_clip model, as side x side standardised tokens.

    side  tokens a side, to which the tower's grid is averaged
    """

    mean: Tensor
    std: Tensor

    def __init__(self, visual: Any, side: int) -> None:
        super().__init__()
        self.visual, self.side = visual, side
        size = visual.image_size
        self.picture = int(size[0] if isinstance(size, (tuple, list)) else size)
        colours = [torch.tensor(v)[:, None, None] for v in (visual.image_mean, visual.image_std)]
        self.register_buffer("colour_mean", colours[0], persistent=False)
        self.register_buffer("colour_std", colours[1], persistent=False)
        width = self._width()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def _width(self) -> int:
        trunk = getattr(self.visual, "trunk", None)
        return int(trunk.embed_dim if trunk is not None else self.visual.positional_embedding.shape[-1])

    @property
    def width(self) -> int:
        return len(self.mean)

    def raw_tokens(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1] to tokens (B, side x side, width), averaged from the tower's grid."""
        if pictures.shape[-1] != self.picture:
            pictures = F.interpolate(pictures, (self.picture,) * 2, mode="bicubic", antialias=True).clamp(0, 1)
        seen = (pictures - self.colour_mean) / self.colour_std  # type: ignore[operator]
        out = self.visual.forward_intermediates(seen, indices=1, intermediates_only=True, output_fmt="NCHW")
        grid = out["image_intermediates"][-1].float()
        if grid.shape[-1] % self.side:
            raise ModelError(
                f"foundations.clip_side={self.side} does not divide the tower's {grid.shape[-1]} tokens a side"
            )
        return F.avg_pool2d(grid, grid.shape[-1] // self.side).flatten(2).transpose(1, 2)

    def encode(self, pictures: Tensor) -> Tensor:
        return (self.raw_tokens(pictures) - self.mean) / self.std

    def measured(self, pictures: Iterable[Tensor]) -> dict[str, Tensor]:
        """Mean and deviation of each channel over batches of pictures, summed in double precision."""
        with torch.no_grad():
            mean, std = mean_and_std((self.raw_tokens(part).flatten(0, 1) for part in pictures), least=1e-8)
        return {"mean": mean, "std": std}

    def standardise(self, statistics: dict[str, Tensor]) -> None:
        self.mean.copy_(statistics["mean"])
        self.std.copy_(statistics["std"])

    @property
    def statistics_hash(self) -> str:
        return weights_hash({"mean": self.mean, "std": self.std})[:8]


def load(name: str, picture: int, side: int, flag: str = "foundations.clip") -> tuple[OpenTower, str]:
    """A tower by name, and a hash of its weights.

    name     MODEL:PRETRAINED, MODEL:FILE or a folder
    picture  side in pixels of its input, to which its positions are interpolated; 0: the model's own
    side     tokens a side that it returns
    flag     the setting that errors name
    """
    import open_clip

    visual = open_clip_models.load(
        name, "the CLIP tower", flag, open_clip.create_model, force_image_size=picture or None
    ).visual
    return OpenTower(visual, side), weights_hash(visual.state_dict())
