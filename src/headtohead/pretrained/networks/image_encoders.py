"""The CLIP: open_clip's CoCa, small, with a convolutional stem. Its image tokens are what a head predicts.

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


class Stem(nn.Sequential):
    """Replaces the patch projection: a token of a 16 x 16 patch should begin with outlines, not with raw pixels."""

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
    """The CoCa of a config: open_clip's three configs and the stem's channels."""
    model = CoCa(config["embed_dim"], config["multimodal_cfg"], config["text_cfg"], config["vision_cfg"])
    model.visual.conv1 = Stem(tuple(config["stem"]), config["vision_cfg"]["width"])
    # open_clip leaves this projection uninitialised when a CoCa is built without weights.
    nn.init.normal_(model.text_decoder.text_projection, std=config["multimodal_cfg"]["width"] ** -0.5)
    return model


def read(model: CoCa, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Text pooled at </s> (B, embed_dim) and its token states (B, L, width).

    open_clip's own forward wants every text padded to the full context; cutting its causal mask to the batch's
    longest text gives the same numbers and saves most of the work.
    """
    tower = model.text
    x, mask = tower._embeds(ids)
    length = ids.shape[1]
    tokens = tower.ln_final(tower.transformer(x, attn_mask=mask[:length, :length]))
    end = (ids == small_llama.EOS).int().argmax(1)
    return tokens[torch.arange(len(ids)), end] @ tower.text_projection, tokens


class ClipTower(nn.Module):
    """A frozen CLIP behind two views: image tokens for heads, and text-image scores for measuring it."""

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
        """Standardised per channel: raw CLIP channels differ in scale by orders of magnitude."""
        return (self.raw_tokens(pictures) - self.mean) / self.std

    @torch.no_grad()
    def measure(self, pictures: Tensor) -> None:
        """Take the channels' mean and deviation from these pictures."""
        tokens = self.raw_tokens(pictures).flatten(0, 1)
        self.mean.copy_(tokens.mean(0))
        self.std.copy_(tokens.std(0).clamp(min=1e-4))

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        embedding: Tensor = self.model.encode_image(pictures * 2 - 1)
        return embedding

    def embed_texts(self, texts: list[str]) -> Tensor:
        ids = small_llama.encode(texts, self.model.context_length, str(self.mean.device))
        return F.normalize(read(self.model, ids)[0], dim=-1)


class OpenTower(nn.Module):
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
        """(B, side x side, width)."""
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
        """Mean and deviation of each channel over pictures, in double precision: raw channels differ by magnitudes."""
        n, total, squares = 0, self.mean.double() * 0, self.mean.double() * 0
        with torch.no_grad():
            for part in pictures:
                tokens = self.raw_tokens(part).flatten(0, 1).double()
                n, total, squares = n + len(tokens), total + tokens.sum(0), squares + tokens.square().sum(0)
        mean = total / n
        return {"mean": mean.float(), "std": (squares / n - mean.square()).clamp(min=1e-8).sqrt().float()}

    def standardise(self, statistics: dict[str, Tensor]) -> None:
        self.mean.copy_(statistics["mean"])
        self.std.copy_(statistics["std"])

    @property
    def statistics_hash(self) -> str:
        return weights_hash({"mean": self.mean, "std": self.std})[:8]


def load(name: str, picture: int, side: int, flag: str = "foundations.clip") -> tuple[OpenTower, str]:
    """A tower as `open_models` finds it, and a hash of its weights.

    `picture` asks for another side than the model was made for: its positions are then interpolated. 0 keeps it.
    """
    import open_clip

    visual = open_clip_models.load(
        name, "the CLIP tower", flag, open_clip.create_model, force_image_size=picture or None
    ).visual
    return OpenTower(visual, side), weights_hash(visual.state_dict())
