"""Kept weights paint prompts of one's own: what a design makes of them, to be looked at. No training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headtohead.assemble import assemble
from headtohead.computing import autocast
from headtohead.config import RunConfig, Sampling
from headtohead.kept import kept, restore
from headtohead.sampler import paint


def painted(
    run: Path, config: RunConfig, prompts: Sequence[str], how: Sampling, *, times: int, seed: int, device: str
) -> list[NDArray[np.uint8]]:
    """Pictures (H, W, 3), `times` of each prompt behind one another, by the last weights that a run has kept.

    Noise follows from `seed` and a picture's place alone, so that designs of one representation begin at the same.
    """
    parts = assemble(config, device)
    restore(parts.generator, list(kept(run).values())[-1])
    asked = [prompt for prompt in prompts for _ in range(times)]
    with autocast(config.compute, device):
        pictures = paint(parts.generator, parts.codec, asked, how, seed=seed, batch=config.evaluation.batch)[:, 0]
    return list((pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
