"""A configuration to the parts of a run: foundations, queries and head, encoded training data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from headtohead.config.design import Backbone, Head, Objective
from headtohead.config.run_config import RunConfig
from headtohead.models.generator import Generator
from headtohead.models.networks.dit import Dit
from headtohead.models.networks.linear import Linear
from headtohead.models.objectives.base import GenerationHead
from headtohead.models.objectives.flow_matching import FlowHead
from headtohead.models.objectives.regression import DitRegressor, MseHead
from headtohead.models.query_encoder import QueryEncoder
from headtohead.pretrained import image_tokens, language_model
from headtohead.utils.tensor_shapes import Grid


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    codec: image_tokens.Codec
    generator: Generator


def assemble(config: RunConfig, device: str) -> Parts:
    """Foundations and head of a configuration; first weights follow from its seed."""
    codec = image_tokens.build(config.design.representation, config.foundations, config.codec, device)
    model, encode = language_model.build(config.foundations, config.query, device)
    torch.manual_seed(config.seed)
    query = QueryEncoder(
        model,
        encode,
        replace(config.query, number=queries(config, codec.grid)),
        trained=config.design.backbone is Backbone.TRAINED,
    )
    head: Any = build(config, codec.grid, query.width)
    return Parts(codec, Generator(query, head).to(device))


def queries(run: RunConfig, grid: Grid) -> int:
    """A linear head turns query k into image token k; a DiT reads any number."""
    return grid.tokens if run.design.head is Head.LINEAR else run.query.number


def build(run: RunConfig, grid: Grid, condition_dim: int) -> GenerationHead:
    if run.design.head is Head.LINEAR:
        return MseHead(Linear(grid, condition_dim))
    net = Dit(run.head, grid, condition_dim, run.compute.checkpointing)
    if run.compute.compile:
        for block in net.blocks:
            block.compile(fullgraph=True)
    if run.design.objective is Objective.MSE:
        return MseHead(DitRegressor(net))
    return FlowHead(net, run.head.drop_condition)
