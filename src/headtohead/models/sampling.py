"""Prompts to pictures: queries, head, decoder; noise is a function of seed and picture number, not of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from headtohead.config.run_config import Sampling
from headtohead.models.generator import Generator
from headtohead.pretrained.image_tokens import Codec
from headtohead.utils import distributed


def noise(seed: int, index: np.ndarray, tokens: int, channels: int) -> Tensor:
    """(len(index), tokens, channels) standard normal; picture k gets the same noise in every batch."""
    rows = [torch.from_numpy(np.random.default_rng((seed, int(k))).standard_normal((tokens, channels))) for k in index]
    return torch.stack(rows).float()


@torch.no_grad()
def sample(
    generator: Generator,
    codec: Codec,
    prompts: Sequence[str],
    how: Sampling,
    *,
    seed: int,
    numbers: Sequence[int] | None = None,
) -> Tensor:
    """(len(prompts), N, D) image tokens of one batch; pictures are numbered from 0 when not told otherwise."""
    device = next(generator.parameters()).device
    was_training = generator.training
    generator.eval()
    index = np.array(range(len(prompts)) if numbers is None else numbers)
    x_0 = noise(seed, index, codec.grid.tokens, codec.grid.channels).to(device)
    out = generator.generation.sample(generator.condition(list(prompts)), x_0, how)
    generator.train(was_training)
    return out


@torch.no_grad()
def paint(
    generator: Generator,
    codec: Codec,
    prompts: Sequence[str],
    how: Sampling,
    *,
    seed: int,
    batch: int = 128,
    decodings: tuple[int | None, ...] = (None,),
    numbers: Sequence[int] | None = None,
) -> Tensor:
    """(len(prompts), len(decodings), 3, H, W) pictures; on other processes than the first, none.

    A decoding with a seed draws the decoder's own noise too, anew for each picture; it is else fixed.
    """

    def painted(rows: Tensor) -> Tensor:
        first, last = int(rows[0]), int(rows[-1]) + 1
        own = (numbers or range(len(prompts)))[first:last]
        tokens = sample(generator, codec, prompts[first:last], how, seed=seed, numbers=own)
        return torch.stack([codec.decode(tokens, None if d is None else d + first) for d in decodings], 1).float()

    return distributed.shared(list(torch.arange(len(prompts)).split(batch)), painted)
