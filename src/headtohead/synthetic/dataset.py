"""The synthetic dataset by step, and a hash of it: when it changes, the pretrained weights are out of date."""

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
def dataset_hash() -> str:
    """Hash of pictures and captions of a sample of scenes, and of the held-out combinations."""
    index = np.arange(SAMPLE)
    scenes = draw(0, index)
    # Averaged and rounded, so that the last bits of another machine make no difference.
    pictures = render(scenes).unflatten(-1, (8, 8)).unflatten(2, (8, 8)).mean((3, 5)).numpy().round(2)
    texts = [captions(scenes, 0, index, shares) for shares in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    held = [splits.HELD_COLOURS, splits.HELD_PAIRS, splits.HELD_COUNTS, splits.HELD_RELATIONS]
    return fingerprint([(pictures + 0.0).tolist(), texts, [h.tolist() for h in held]])


def scenes_of_step(seed: int, step: int, batch: int, *, held_out: bool = False) -> Scenes:
    """A training step's scenes; with `held_out`, also combinations that training must not show."""
    return draw(seed, step * batch + np.arange(batch), held_out=held_out)


def pictures_of_step(seed: int, step: int, batch: int, device: str = "cpu") -> Tensor:
    """A training step's pictures (batch, 3, H, W) in [0, 1]."""
    return render(scenes_of_step(seed, step, batch), device)
