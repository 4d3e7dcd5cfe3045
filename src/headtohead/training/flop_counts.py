"""Count the training FLOPs of a run's modules with torch."""

from __future__ import annotations

import torch

from headtohead.config.flop_accounting import everything
from headtohead.config.run_config import RunConfig
from headtohead.data.synthetic_batches import StepBatch
from headtohead.models.build import Parts
from headtohead.models.objectives.noise import fresh
from headtohead.utils.compute import counter, flops


def flops_a_picture(parts: Parts, batch: StepBatch, device: str) -> float:
    """FLOPs of head and language model for one picture, forward and backward, counted by torch.

    parts   of the run
    batch   rows of a real training step
    device  on which the parts are
    """
    generator, number = parts.generator, len(batch.captions)
    target = parts.target(batch.x_1.to(device))
    with counter() as counted, torch.compiler.set_stance("force_eager"):
        condition = generator.condition(batch.captions)
        generator.objective.loss(target, condition, fresh(number, device)).backward()
    generator.zero_grad(set_to_none=True)
    return float(counted.get_total_flops()) / number


def flops_of_everything(config: RunConfig, parts: Parts, learning: float, samples: int, device: str) -> float:
    """FLOPs of one picture with encoder and decoder, shared as `config.flop_accounting` describes.

    config    of the run
    parts     of the run
    learning  FLOPs of head and language model for one picture
    samples   distinct pictures of the data
    device    on which the parts are
    """
    codec = parts.codec
    picture = torch.zeros(1, 3, codec.side, codec.side, device=device)
    encode, made = flops(lambda: codec.encode(picture)), codec.made_flops()
    return everything(config, learning=learning, encode=encode, samples=samples, made=made)
