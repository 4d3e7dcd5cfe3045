"""Train the pixel judge on sharp and degraded images of all combinations, including those held out from training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.synthetic.dataset import scenes_of_step
from headtohead.synthetic.judge_net import STRIDE, JudgeNet, Maps, cell_centres
from headtohead.synthetic.render import coverage, render
from headtohead.synthetic.scenes import Scenes
from headtohead.synthetic.splits import PICTURES
from headtohead.utils import random

PEAK_WIDTH = 2.5  # pixels; width of the peak at an object's centre
MIXED = 0.2  # share of images that are blended with another one
EMPTY = 0.06  # share of pictures without objects: one flat colour, or noise


def build(config: dict[str, Any]) -> JudgeNet:
    return JudgeNet(**config)


def degrade(pictures: Tensor, u: np.ndarray) -> Tensor:
    """Degrade images by random blur, coarsening, contrast and noise; about a third stay sharp.

    pictures  (B, 3, H, W) in [0, 1]
    u         (B, at least 7) uniform numbers
    """
    b, side = len(pictures), pictures.shape[-1]
    sigma = torch.as_tensor(np.where(u[:, 0] < 0.45, 0.0, 2.2 * u[:, 1] ** 1.5), dtype=torch.float32)
    reach = torch.arange(-6, 7, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (reach / sigma.clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(-1, keepdim=True)).to(pictures.device).repeat_interleave(3, 0)
    x = F.pad(pictures.reshape(1, b * 3, side, side), (6, 6, 6, 6), mode="replicate")
    x = F.conv2d(x, kernel[:, None, None, :], groups=b * 3)
    x = F.conv2d(x, kernel[:, None, :, None], groups=b * 3).reshape(b, 3, side, side)
    coarse = torch.as_tensor(u[:, 2] > 0.85, device=x.device)
    x = torch.where(
        coarse[:, None, None, None], F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="bilinear"), x
    )
    contrast = torch.as_tensor(0.85 + 0.3 * u[:, 3], dtype=torch.float32, device=x.device)[:, None, None, None]
    light = torch.as_tensor(0.1 * (u[:, 4] - 0.5), dtype=torch.float32, device=x.device)[:, None, None, None]
    noise = torch.as_tensor(np.where(u[:, 5] < 0.4, 0.0, 0.08 * u[:, 6]), dtype=torch.float32, device=x.device)
    x = (x - 0.5) * contrast + 0.5 + light
    return (x + noise[:, None, None, None] * torch.randn_like(x)).clamp(0, 1)


def targets(scenes: Scenes, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each cell: shape label (0: background), colour label (-100: none), peaks at centres, offset to the centre."""
    cover = F.avg_pool2d(coverage(scenes, device), STRIDE)
    h, w = cover.shape[-2:]
    most, owner = cover.max(1)
    inside = most > 0.5
    pick = owner.flatten(1)
    shape = torch.as_tensor(scenes.shape, device=device).gather(1, pick).reshape(-1, h, w) + 1
    colour = torch.as_tensor(scenes.colour, device=device).gather(1, pick).reshape(-1, h, w)
    centre = torch.as_tensor(scenes.boxes, dtype=torch.float32, device=device).unflatten(-1, (2, 2)).mean(-2)
    cells = cell_centres(h, w, torch.device(device))
    away = centre[..., None, None] - cells  # (B, O, 2, h, w)
    bump = torch.exp(-away.pow(2).sum(2) / (2 * PEAK_WIDTH**2))
    bump = (bump * torch.as_tensor(scenes.present, device=device)[..., None, None]).amax(1)
    offset = away.gather(1, owner[:, None, None].expand(-1, 1, 2, -1, -1))[:, 0]
    return shape * inside, torch.where(inside, colour, -100), bump, offset


def _terms(maps: Maps, scenes: Scenes, device: str, weight: Tensor) -> dict[str, Tensor]:
    shape, colour, bump, offset = targets(scenes, device)
    inside = (shape > 0).float()
    per_cell = {
        "shape": F.cross_entropy(maps.shape, shape, reduction="none") * (1 + 3 * inside),
        "colour": F.cross_entropy(maps.colour, colour, reduction="none", ignore_index=-100) * 4,
        "centre": F.binary_cross_entropy_with_logits(maps.centre, bump, reduction="none") * (1 + 9 * bump) * 2,
        "offset": F.smooth_l1_loss(maps.offset / 8, offset / 8, reduction="none").sum(1) * inside * 4,
    }
    return {k: (v.mean((1, 2)) * weight).mean() for k, v in per_cell.items()}


def _emptied(pictures: Tensor, scenes: Scenes, u: np.ndarray) -> tuple[Tensor, Scenes]:
    """Replace some pictures by flat colours or noise, without objects."""
    empty = u[:, 9] < EMPTY
    flat = torch.as_tensor(u[:, 10:13], dtype=pictures.dtype, device=pictures.device)[..., None, None]
    # Broken models often produce corners of the colour cube: black, white and the primaries.
    flat = torch.where(torch.as_tensor(u[:, 13] < 0.5, device=pictures.device)[:, None, None, None], flat.round(), flat)
    grain = torch.rand_like(pictures)
    nothing = torch.where(torch.as_tensor(u[:, 14] < 0.3, device=pictures.device)[:, None, None, None], grain, flat)
    shown = torch.where(torch.as_tensor(empty, device=pictures.device)[:, None, None, None], nothing, pictures)
    return shown, replace(scenes, count=np.where(empty, 0, scenes.count))


def loss(model: nn.Module, seed: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
    """The sum of all terms. Blended images have the targets of both, weighted by their shares, to teach uncertainty."""
    u = random.uniform(random.keys(seed, step * batch + np.arange(batch), 77), 15)
    scenes = scenes_of_step(seed, step, batch, held_out=True, held=PICTURES)
    pictures, scenes = _emptied(render(scenes, device), scenes, u)
    share = torch.as_tensor(np.where(u[:, 7] < MIXED, 0.6 * u[:, 8], 0.0), dtype=torch.float32, device=device)
    blended = torch.lerp(pictures, pictures.roll(1, 0), share[:, None, None, None])
    maps = model(degrade(blended, u))
    own = _terms(maps, scenes, device, 1 - share)
    other = _terms(maps, scenes[np.roll(np.arange(batch), 1)], device, share)
    terms = {k: own[k] + other[k] for k in own}
    return {"loss": torch.stack(list(terms.values())).sum(), **terms}
