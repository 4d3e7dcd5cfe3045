"""A configuration to the parts of a run: foundations, queries and head, encoded training data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from headtohead import accounts
from headtohead.config import RunConfig
from headtohead.counting import counter, flops
from headtohead.data.encoded import StepBatch
from headtohead.design import Backbone
from headtohead.foundations import reader, representation
from headtohead.heads import build as heads
from headtohead.heads.draws import fresh
from headtohead.module import PICTURES, Generator, pixels
from headtohead.query import QueryEncoder


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    codec: representation.Codec
    generator: Generator


def assemble(config: RunConfig, device: str) -> Parts:
    """Foundations and head of a configuration; first weights follow from its seed."""
    codec = representation.build(config.design.representation, config.foundations, config.codec, device)
    model, encode = reader.build(config.foundations, config.query, device)
    torch.manual_seed(config.seed)
    query = QueryEncoder(
        model,
        encode,
        replace(config.query, number=heads.queries(config, codec.grid)),
        trained=config.design.backbone is Backbone.TRAINED,
    )
    head: Any = heads.build(config, codec.grid, query.width)
    return Parts(codec, Generator(query, head).to(device))


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
    return accounts.everything(config, learning=learning, encode=encode, samples=samples, decoder=made)
