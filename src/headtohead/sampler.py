"""Prompts to pictures: queries, head, decoder; noise is a function of seed and picture number, not of the batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from headtohead.config import Sampling
from headtohead.foundations.representation import Codec
from headtohead.module import Generator


def noise(seed: int, index: np.ndarray, tokens: int, channels: int) -> Tensor:
    """(len(index), tokens, channels) standard normal; picture k gets the same noise in every batch."""
    rows = [torch.from_numpy(np.random.default_rng((seed, int(k))).standard_normal((tokens, channels))) for k in index]
    return torch.stack(rows).float()


@torch.no_grad()
def sample(
    generator: Generator, codec: Codec, prompts: list[str], how: Sampling, *, seed: int, batch: int = 128
) -> Tensor:
    """(len(prompts), N, D) image tokens."""
    device = next(generator.parameters()).device
    was_training = generator.training
    generator.eval()
    out = []
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        x_0 = noise(seed, np.arange(start, start + len(part)), codec.grid.tokens, codec.grid.channels).to(device)
        out.append(generator.generation.sample(generator.condition(part), x_0, how))
    generator.train(was_training)
    return torch.cat(out)


@torch.no_grad()
def decode(codec: Codec, tokens: Tensor, *, seed: int | None = None, batch: int = 128) -> Tensor:
    """(B, 3, H, W) pictures; a seed draws the decoder's own noise too, which is else fixed."""
    parts = [
        codec.decode(part, None if seed is None else seed + k * batch) for k, part in enumerate(tokens.split(batch))
    ]
    return torch.cat(parts)
