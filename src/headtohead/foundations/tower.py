"""Any open_clip image tower as an encoder: last-block tokens, without final norm or class token, averaged to a grid.

pictures (B, 3, H, W) -> tower's own side and colours -> (B, side x side, width), standardised per channel
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead import open_models
from headtohead.loading import ModelError, weights_hash


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

    visual = open_models.load(
        name, "the CLIP tower", flag, open_clip.create_model, force_image_size=picture or None
    ).visual
    return OpenTower(visual, side), weights_hash(visual.state_dict())
