"""A head for a design: the one place that branches on objective and head."""

from __future__ import annotations

from headtohead.config import RunConfig
from headtohead.design import Head, Objective
from headtohead.heads.base import GenerationHead
from headtohead.heads.dit import Dit
from headtohead.heads.flow import FlowHead
from headtohead.heads.mse import DitRegressor, Linear, MseHead
from headtohead.shapes import Grid


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
