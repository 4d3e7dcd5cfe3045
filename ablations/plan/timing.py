"""Estimate a run's time on this machine from a few training steps and one batch of generated images."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from ablations.plan import point_pictures
from ablations.plan.point_pictures import Points
from headtohead.config.run_config import RunConfig
from headtohead.data.synthetic_batches import StepBatch, Steps
from headtohead.eval.curve_points import build
from headtohead.eval.curve_points.base import TRIED
from headtohead.models.build import assemble
from headtohead.models.objectives.noise import fresh
from headtohead.training.lightning_module import DesignModule

T = TypeVar("T")
STEPS = 4  # timed, after one that is not


def measure(config: RunConfig, folder: Path, device: str) -> tuple[float, float, Points]:
    """Seconds of a training step and of sampling, decoding and scoring one picture; how many pictures the points have.

    Pictures need not be encoded for it: noise trains as fast.
    """
    parts = assemble(config, device)
    module = DesignModule(parts.generator, config, parts.target)
    grid, whole = parts.codec.grid, config.train.batch
    batch = config.compute.micro_batch or whole  # a step may be made of several
    tokens = torch.randn(batch * (STEPS + 1), grid.tokens, grid.channels)
    steps = Steps(tokens, seed=0, batch=batch, start=0, stop=STEPS + 1, dense=config.data.dense)
    optimizer = module.configure_optimizers()["optimizer"]

    def train(batch: StepBatch) -> None:
        condition, draws = parts.generator.condition(batch.captions), fresh(len(batch.captions), device)
        parts.generator.objective.loss(parts.target(batch.x_1.to(device)), condition, draws).backward()
        optimizer.step()
        optimizer.zero_grad()
        module.average.step(1)

    evaluator = build.build(config, parts, device, folder)

    def point(_: object) -> None:
        evaluator.trial(parts.generator)

    picture, step = _median(point, [None, None]) / TRIED, _median(train, list(steps)) * whole / batch
    return step, picture, point_pictures.of(config)


def _median(work: Callable[[T], None], over: list[T]) -> float:
    spent = []
    for one in over:
        started = time.perf_counter()
        work(one)
        spent.append(time.perf_counter() - started)
    return float(np.median(spent[1:]))
