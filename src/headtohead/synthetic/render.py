"""Render scenes: vectorised over a batch, antialiased by the distance to the outline."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from headtohead.synthetic.outlines import GRID, REACH, fields
from headtohead.synthetic.scenes import Scenes
from headtohead.synthetic.vocabulary import PICTURE_SIDE


@cache
def _fields(device: str) -> Tensor:
    return torch.from_numpy(fields()).reshape(-1).to(device)


def _tensor(array: object, device: str) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=device)


def coverage(scenes: Scenes, device: str = "cpu") -> Tensor:
    """(B, O, H, W): the share of each pixel that each object covers."""
    axis = torch.arange(PICTURE_SIDE, device=device) + 0.5
    centre, radius = _tensor(scenes.centre, device), _tensor(scenes.radius, device)
    scale = GRID / (2 * REACH)
    cell = ((axis - centre[..., None]) / radius[..., None, None] + REACH) * scale  # (B, O, 2, side)
    inside = (cell >= 0) & (cell < GRID)
    cell = cell.clamp(0, GRID - 1).long()
    base = torch.as_tensor(scenes.shape, device=device)[..., None, None] * (GRID * GRID)
    lookup = base + cell[:, :, 1, :, None] * GRID + cell[:, :, 0, None, :]
    distance = torch.take(_fields(device), lookup) * radius[..., None, None]
    alpha = (0.5 - distance).clamp_(0, 1)
    present = torch.as_tensor(scenes.present, device=device)[..., None, None]
    return alpha * (inside[:, :, 1, :, None] & inside[:, :, 0, None, :] & present)


def backdrop(scenes: Scenes, device: str = "cpu") -> Tensor:
    """(B, 3, H, W): the background alone, a base colour with a gradient."""
    p = _tensor(scenes.backdrop, device)
    axis = (torch.arange(PICTURE_SIDE, device=device) + 0.5) / PICTURE_SIDE - 0.5
    y, x = axis[None, :, None], axis[None, None, :]
    direction, strength = (p[:, k, None, None] for k in (3, 4))
    shade = strength * (x * direction.cos() + y * direction.sin())
    return p[:, :3, None, None] + shade[:, None]


def render(scenes: Scenes, device: str = "cpu") -> Tensor:
    """(B, 3, H, W) pictures in [0, 1]."""
    picture, alpha = backdrop(scenes, device), coverage(scenes, device)
    rgb = _tensor(scenes.rgb, device)
    for j in range(int(scenes.count.max(initial=0))):
        picture = torch.lerp(picture, rgb[:, j, :, None, None], alpha[:, j, None])
    return picture.clamp_(0, 1)
