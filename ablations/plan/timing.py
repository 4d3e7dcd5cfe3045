"""Estimate a run's time on this machine from a few training steps and one batch of generated images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Pace:
    step: float  # seconds
    picture: float  # seconds to sample, decode and score an image
    points: Points

    def seconds(self, config: RunConfig, done: int = 0) -> float:
        """Time from step `done` to the end, points included."""
        pictures = self.points.pictures - done // config.evaluation.every * self.points.a_point
        return (config.train.steps - done) * self.step + pictures * self.picture


def measure(config: RunConfig, folder: Path, device: str) -> Pace:
    """Encoded pictures are not needed for it: noise trains as fast."""
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

    examiner = build.build(config, parts, device, folder)

    def point(_: object) -> None:
        examiner.trial(parts.generator)

    picture, step = _median(point, [None, None]) / TRIED, _median(train, list(steps)) * whole / batch
    return Pace(step, picture, point_pictures.of(config))


def _median(work: Callable[[T], None], over: list[T]) -> float:
    spent = []
    for one in over:
        started = time.perf_counter()
        work(one)
        spent.append(time.perf_counter() - started)
    return float(np.median(spent[1:]))
