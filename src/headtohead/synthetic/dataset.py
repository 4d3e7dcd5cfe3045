"""The synthetic dataset by step, and hashes of it: when one changes, the models trained on it are out of date."""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import Tensor

from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.synthetic.splits import CAPTIONED, PICTURES, HeldOut
from headtohead.utils.files import fingerprint

SAMPLE = 48


@cache
def pictures_hash(held: HeldOut) -> str:
    """Hash of the pictures of a sample of scenes, and of the combinations held out from them."""
    # Averaged and rounded, so that the last bits of another machine make no difference.
    pictures = render(draw(0, np.arange(SAMPLE), held=held)).unflatten(-1, (8, 8)).unflatten(2, (8, 8)).mean((3, 5))
    return fingerprint([(pictures.numpy().round(2) + 0.0).tolist(), held.plain()])


@cache
def captions_hash() -> str:
    """Hash of the captions of a sample of scenes, and of these scenes."""
    index = np.arange(SAMPLE)
    scenes = draw(0, index)
    texts = [captions(scenes, 0, index, shares) for shares in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    return fingerprint([pictures_hash(CAPTIONED), texts])


def scenes_of_step(seed: int, step: int, batch: int, *, held_out: bool = False, held: HeldOut = CAPTIONED) -> Scenes:
    """A training step's scenes; with `held_out`, also combinations that training must not show."""
    return draw(seed, step * batch + np.arange(batch), held_out=held_out, held=held)


def pictures_of_step(seed: int, step: int, batch: int, device: str = "cpu") -> Tensor:
    """Pictures (batch, 3, H, W) in [0, 1] of a training step without captions."""
    return render(scenes_of_step(seed, step, batch, held=PICTURES), device)
