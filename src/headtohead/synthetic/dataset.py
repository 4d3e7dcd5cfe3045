"""One short hash of everything the foundations learn from: when the world changes, their weights are out of date."""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import Tensor

from headtohead.synthetic import splits
from headtohead.synthetic.captions import captions
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.utils.files import fingerprint

SAMPLE = 48


@cache
def world() -> str:
    index = np.arange(SAMPLE)
    scenes = draw(0, index)
    # Rounded, so that another machine's last bits do not count as another world.
    pictures = render(scenes).unflatten(-1, (8, 8)).unflatten(2, (8, 8)).mean((3, 5)).numpy().round(2)
    told = [captions(scenes, 0, index, shares) for shares in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    held = [splits.HELD_COLOURS, splits.HELD_PAIRS, splits.HELD_COUNTS, splits.HELD_RELATIONS]
    return fingerprint([(pictures + 0.0).tolist(), told, [h.tolist() for h in held]])


def scenes_of_step(seed: int, step: int, batch: int, *, held_out: bool = False) -> Scenes:
    return draw(seed, step * batch + np.arange(batch), held_out=held_out)


def pictures_of_step(seed: int, step: int, batch: int, device: str = "cpu") -> Tensor:
    return render(scenes_of_step(seed, step, batch), device)
