"""Prompts to pictures: query encoder, objective's sampler, decoder. Noise depends on seed and picture number only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from headtohead.config.run_config import Sampling
from headtohead.models.generator import Generator
from headtohead.models.objectives.noise import PictureDraws
from headtohead.pretrained.image_tokens import Codec
from headtohead.utils import distributed

CPU_PICTURES = 64  # at once at most: the activations of more leave a CPU's cache, and each takes a third longer


@torch.no_grad()
def sample(
    generator: Generator, prompts: Sequence[str], how: Sampling, *, seed: int, numbers: Sequence[int] | None = None
) -> Tensor:
    """Image tokens of one batch, as the codec decodes them.

    generator  whose weights are used
    prompts    one a picture
    how        steps, guidance and solver
    seed       of the noise
    numbers    of the pictures, on which their noise depends; 0, 1, ... when not given
    """
    device = next(generator.parameters()).device
    was_training = generator.training
    generator.eval()
    draws = PictureDraws(seed, range(len(prompts)) if numbers is None else numbers, device)
    out = generator.objective.sample(generator.condition(list(prompts)), draws, how)
    generator.train(was_training)
    tokens: Tensor = out.tokens
    return tokens


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
    """Pictures (len(prompts), len(decodings), 3, H, W) on the first process; none on the others, which share the work.

    generator  whose weights are used
    codec      of the representation that it predicts
    prompts    one a picture
    how        steps, guidance and solver
    seed       of the noise
    batch      pictures at once, at most
    decodings  seeds of the decoder's own noise, new for each picture; None is fixed noise
    numbers    of the pictures, on which their noise depends; 0, 1, ... when not given
    """

    def painted(rows: Tensor) -> Tensor:
        first, last = int(rows[0]), int(rows[-1]) + 1
        own = (numbers or range(len(prompts)))[first:last]
        tokens = sample(generator, prompts[first:last], how, seed=seed, numbers=own)
        return torch.stack([codec.decode(tokens, None if d is None else d + first) for d in decodings], 1).float()

    on_cpu = next(generator.parameters()).device.type == "cpu"
    at_once = min(batch, CPU_PICTURES) if on_cpu else batch
    return distributed.shared(list(torch.arange(len(prompts)).split(at_once)), painted)
