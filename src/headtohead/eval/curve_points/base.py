"""The protocol of evaluators, the contents of a measured point, and the held-out loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from headtohead.config.run_config import WORLD, RunConfig
from headtohead.data import build
from headtohead.eval.curve_points.held_out_loss import HeldOutLoss
from headtohead.eval.curve_points.score import Point
from headtohead.models.build import Parts
from headtohead.models.generator import PICTURES, Generator
from headtohead.models.objectives.noise import PictureDraws
from headtohead.synthetic.captions import captions
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw
from headtohead.utils.compute import autocast
from headtohead.utils.tensor_shapes import Target

TRIED = 48  # pictures painted to estimate the time of a point
HELD_OUT = 102  # random stream of the scenes on which the loss is measured


@dataclass(frozen=True)
class HeldOut:
    """Samples that no run trains on.

    prompts  one a sample
    target   their pictures, as the objective's target
    """

    prompts: list[str]
    target: Target


@dataclass(frozen=True)
class Measured:
    """One evaluation.

    point    its numbers
    prompts  for each score: prompt, task, and whether training shows the combination
    grids    sample grids (3, H, W) by kind
    """

    point: Point
    prompts: list[dict[str, Any]]
    grids: dict[str, Tensor]


class Evaluator(Protocol):
    """Measures any generator of one configuration, always with the same prompts and noise."""

    mode: str
    device: str

    @property
    def name(self) -> str:
        """The judges' names."""
        ...

    @property
    def about(self) -> dict[str, Any]:
        """Facts about its evaluations that a finished run records in status.json."""
        ...

    def trial(self, generator: Generator) -> None:
        """Paint and judge TRIED pictures, to be timed."""
        ...

    def measure(self, generator: Generator, last: bool, step: int) -> Measured | None:
        """Measure one point. All ranks of a training paint; rank 0 scores, the others return None.

        generator  with the weights to be measured
        last       whether it is the last point, which may have more prompts
        step       optimizer steps so far
        """
        ...


def held_out(config: RunConfig, parts: Parts, device: str) -> HeldOut:
    """Samples held out from training: other scenes of the embedded dataset, or the held-out samples of the corpora.

    config  of the run
    parts   of the run
    device  of the target
    """
    if config.data.mix == WORLD:
        index = np.arange(config.evaluation.held_out)
        scenes = draw(HELD_OUT, index)
        return HeldOut(captions(scenes, HELD_OUT, index), parts.target(render(scenes, device)))
    prompts, x_1 = build.held_out(config, parts.codec)
    if x_1.dim() == PICTURES:
        batches = x_1.split(config.evaluation.batch)
        x_1 = torch.cat([parts.target(batch.to(device)).tokens for batch in batches])
    return HeldOut(prompts, parts.target(x_1.to(device)))


def losses(config: RunConfig, generator: Generator, held_out: HeldOut, device: str) -> dict[str, float]:
    """The held-out loss by its parts, with the same noise at every point of a run.

    config     of the run
    generator  to be measured
    held_out   samples
    device     of the generator
    """
    number = len(held_out.prompts)
    draws = PictureDraws(HELD_OUT, range(number), device)
    metric = HeldOutLoss(sync_on_compute=False)
    was_training = generator.training
    generator.eval()
    with torch.no_grad(), autocast(config.compute.precision, device):
        condition = generator.condition(held_out.prompts)
        metric.update(generator.objective.held_out(held_out.target, condition, draws), number)
    generator.train(was_training)
    return {f"loss/{name}": value for name, value in metric.values().items()}
