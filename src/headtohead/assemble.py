"""A configuration to the parts of a run: foundations, queries and head, encoded training data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from headtohead.config import RunConfig
from headtohead.data.encoded import Source, StepBatch, Steps, encoded
from headtohead.design import Backbone
from headtohead.foundations import representation, shipped, tokenizer
from headtohead.foundations.recipes import CONTEXT
from headtohead.heads import build as heads
from headtohead.module import Generator
from headtohead.query import QueryEncoder


def encode_text(texts: list[str]) -> tuple[Tensor, Tensor]:
    ids = tokenizer.encode(texts, CONTEXT)
    return ids, (ids != tokenizer.PAD).long()


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    codec: representation.Codec
    generator: Generator


def assemble(config: RunConfig, device: str) -> Parts:
    """Foundations and head of a configuration; first weights follow from its seed."""
    codec = representation.build(config.design.representation, config.codec, device)
    torch.manual_seed(config.seed)
    query = QueryEncoder(
        shipped.language_model(device),
        encode_text,
        replace(config.query, number=heads.queries(config, codec.grid)),
        trained=config.design.backbone is Backbone.TRAINED,
    )
    head: Any = heads.build(config, codec.grid, query.width)
    return Parts(codec, Generator(query, head).to(device))


def training_data(
    config: RunConfig, codec: representation.Codec, cache: Path, device: str, say: Callable[[str], None]
) -> Callable[[int], Steps]:
    """The batches of a run from any step on."""
    tokens = encoded(Source(codec.key, config.data.pictures), codec.encode, cache, device, say)
    t = config.train
    return lambda start: Steps(
        tokens, seed=config.seed, batch=t.batch, start=start, stop=t.steps, dense=config.data.dense
    )


def flops_a_step(generator: Generator, batch: StepBatch) -> float:
    """Counted by torch on one real step, forward and backward, of head and language model."""
    state = torch.random.get_rng_state()
    with FlopCounterMode(display=False) as counter:
        condition = generator.condition(batch.captions)
        generator.generation.loss(batch.x_1, condition).backward()
    generator.zero_grad(set_to_none=True)
    torch.random.set_rng_state(state)
    return float(counter.get_total_flops())
