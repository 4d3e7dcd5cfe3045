"""The pixel judge's network: for each cell its shape, its colour and the offset to its object's centre."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES

STRIDE = 2  # the maps are half the picture's resolution
CHANNELS = (len(SHAPES) + 1, len(COLOUR_NAMES), 1, 2)  # shape or background, colour, centre, offset to it


@dataclass(frozen=True)
class Maps:
    """The network's output at half resolution h x w."""

    shape: Tensor  # (B, 1 + S, h, w) logits, background first
    colour: Tensor  # (B, C, h, w) logits
    centre: Tensor  # (B, h, w) logit of being an object's centre
    offset: Tensor  # (B, 2, h, w) pixels from here to the object's centre, x then y


class Residual(nn.Module):
    """A residual block of two 3 x 3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.net(x))


class JudgeNet(nn.Module):
    """A small U-Net of residual blocks."""

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96)) -> None:
        super().__init__()
        ins = (3, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.SiLU(), Residual(o))
            for i, o in zip(ins, widths, strict=True)
        )
        self.middle = Residual(widths[-1])
        self.up = nn.ModuleList(nn.Conv2d(o, i, 1) for i, o in pairwise(widths))
        self.merge = nn.ModuleList(Residual(w) for w in widths[:-1])
        self.head = nn.Conv2d(widths[0], sum(CHANNELS), 1)

    def features(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, 2 x the last width): mean and maximum of the innermost maps."""
        x = pictures * 2 - 1
        for block in self.down:
            x = block(x)
        x = self.middle(x)
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)

    def forward(self, pictures: Tensor) -> Maps:
        x, skips = pictures * 2 - 1, []
        for block in self.down:
            x = block(x)
            skips.append(x)
        x = self.middle(x)
        for up, merge, skip in zip(reversed(self.up), reversed(self.merge), skips[-2::-1], strict=True):
            x = merge(F.interpolate(up(x), scale_factor=2.0, mode="nearest") + skip)
        shape, colour, centre, offset = self.head(x).float().split(CHANNELS, 1)
        return Maps(shape, colour, centre[:, 0], offset)


def cell_centres(h: int, w: int, device: torch.device) -> Tensor:
    """(2, h, w) pixel coordinates, x then y, of the centre of each cell of the maps."""
    y, x = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
    return (torch.stack([x, y]) + 0.5) * STRIDE
