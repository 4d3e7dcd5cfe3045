"""Random numbers of a sample depend on seed and picture number alone."""

from __future__ import annotations

import numpy as np
import torch

from headtohead.models.objectives.noise import PictureDraws


def test_a_pictures_noise_does_not_depend_on_its_batch() -> None:
    together = PictureDraws(7, [3, 4, 5], "cpu")
    noise, masks, more = together.normal(2, 3), together.uniform(4), together.normal(2, 3)
    assert noise.dtype == torch.float32
    assert torch.equal(noise[1], torch.from_numpy(np.random.default_rng((7, 4)).standard_normal((2, 3))).float())
    alone = PictureDraws(7, [4], "cpu")
    assert torch.equal(alone.normal(2, 3)[0], noise[1])
    assert torch.equal(alone.uniform(4)[0], masks[1])
    assert torch.equal(alone.normal(2, 3)[0], more[1])
    assert not torch.equal(noise, more)
    assert ((masks >= 0) & (masks < 1)).all()
