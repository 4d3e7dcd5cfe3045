"""Endless training data: the pictures and scenes of step k are a pure function of (seed, k)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from headtohead.world.render import render
from headtohead.world.scenes import Scenes, draw


def scenes_of_step(seed: int, step: int, batch: int, *, held_out: bool = False) -> Scenes:
    return draw(seed, step * batch + np.arange(batch), held_out=held_out)


def pictures_of_step(seed: int, step: int, batch: int, device: str = "cpu") -> Tensor:
    return render(scenes_of_step(seed, step, batch), device)
