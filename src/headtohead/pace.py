"""How long a run will take on this machine: a few steps and one batch of pictures, timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from headtohead.assemble import assemble
from headtohead.config import RunConfig
from headtohead.data.encoded import StepBatch, Steps
from headtohead.eval import points
from headtohead.eval.exam import exam
from headtohead.heads.draws import fresh
from headtohead.measure import Meter, limit_of
from headtohead.module import DesignModule

T = TypeVar("T")
STEPS, PICTURES = 4, 48  # timed, after one of each that is not
BESIDE = 12 + 16  # pictures of the sample grids


@dataclass(frozen=True)
class Pace:
    step: float  # seconds
    picture: float  # seconds to sample, decode and score one

    def seconds(self, config: RunConfig, done: int = 0) -> float:
        """From step `done` to the end, points included."""
        e, t = config.evaluation, config.train
        on_the_way = len(range(e.every, t.steps, e.every)) - done // e.every
        spread = 2 * points.A_PROMPT * e.diverse  # drawn once and decoded twice
        a_point = sum(limit_of(e, last=False) or ()) + spread + BESIDE
        limit = limit_of(e, last=True)
        the_last = (sum(limit) if limit else len(exam(e.split).texts)) + spread + BESIDE
        return (t.steps - done) * self.step + (on_the_way * a_point + the_last) * self.picture


def measure(config: RunConfig, device: str) -> Pace:
    """Encoded pictures are not needed for it: noise trains as fast."""
    parts = assemble(config, device)
    module = DesignModule(parts.generator, config, parts.codec.encode)
    batch, grid = config.train.batch, parts.codec.grid
    tokens = torch.randn(batch * (STEPS + 1), grid.tokens, grid.channels)
    steps = Steps(tokens, seed=0, batch=batch, start=0, stop=STEPS + 1, dense=config.data.dense)
    optimizer = module.configure_optimizers()["optimizer"]

    def train(batch: StepBatch) -> None:
        condition = parts.generator.condition(batch.captions)
        x_1 = batch.x_1.to(device)
        parts.generator.generation.loss(x_1, condition, fresh(x_1)).backward()
        optimizer.step()
        optimizer.zero_grad()
        module.average.step(1)

    meter = Meter(config, parts, device)
    test = exam(config.evaluation.split, limit=(PICTURES, 0), device=device)

    def point(_: object) -> None:
        pictures = meter.paint(parts.generator, test.texts, config.sampling)
        meter.judge.detect(pictures)

    return Pace(_median(train, list(steps)), _median(point, [None, None]) / PICTURES)


def _median(work: Callable[[T], None], over: list[T]) -> float:
    spent = []
    for one in over:
        started = time.perf_counter()
        work(one)
        spent.append(time.perf_counter() - started)
    return float(np.median(spent[1:]))
