"""FLOPs of a run's own parts, counted by torch; `config.flop_accounting` says how they are shared."""

from __future__ import annotations

import torch

from headtohead.config.flop_accounting import everything
from headtohead.config.run_config import RunConfig
from headtohead.data.synthetic_batches import StepBatch
from headtohead.models.build import Parts
from headtohead.models.generator import PICTURES, pixels
from headtohead.models.objectives.noise import fresh
from headtohead.utils.compute import counter, flops


def flops_a_picture(parts: Parts, batch: StepBatch, device: str) -> float:
    """Counted by torch on one real portion of a step, forward and backward, of head and language model."""
    generator, x_1 = parts.generator, batch.x_1.to(device)
    x_1 = parts.codec.encode(pixels(x_1)) if x_1.dim() == PICTURES else x_1.float()
    with counter() as counted, torch.compiler.set_stance("force_eager"):
        condition = generator.condition(batch.captions)
        generator.generation.loss(x_1, condition, fresh(x_1)).backward()
    generator.zero_grad(set_to_none=True)
    return float(counted.get_total_flops()) / len(x_1)


def flops_of_everything(config: RunConfig, parts: Parts, learning: float, samples: int, device: str) -> float:
    """A picture's training FLOPs with encoder and decoder, from those of head and language model (`accounts` says how
    they are shared); `samples` are the distinct pictures of the data."""
    codec = parts.codec
    picture = torch.zeros(1, 3, codec.side, codec.side, device=device)
    encode, made = flops(lambda: codec.encode(picture)), codec.decoder_flops()
    return everything(config, learning=learning, encode=encode, samples=samples, decoder=made)
