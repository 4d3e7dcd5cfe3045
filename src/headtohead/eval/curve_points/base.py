"""What an evaluation gives back, and the loss on pictures that no run trains on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from headtohead.config.run_config import WORLD, RunConfig
from headtohead.data import build
from headtohead.eval.curve_points.score import Point
from headtohead.models.build import Parts
from headtohead.models.generator import PICTURES, Generator, pixels
from headtohead.models.sampling import noise
from headtohead.synthetic.captions import captions
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw
from headtohead.utils.compute import autocast

TRIED = 48  # pictures by which a point is timed beforehand
HELD_OUT = 102  # the stream of pictures on which the loss is measured


@dataclass(frozen=True)
class HeldOut:
    told: list[str]
    x_1: Tensor  # (B, N, D)


@dataclass(frozen=True)
class Measured:
    """One evaluation: its numbers, what was asked, and pictures to look at."""

    point: Point
    asked: list[dict[str, Any]]  # a row a score: prompt, task, whether training shows what it asks for
    grids: dict[str, Tensor]  # (3, H, W) by kind


class Examiner(Protocol):
    """Measures any generator of one configuration, always with the same prompts and noise."""

    mode: str
    device: str

    @property
    def name(self) -> str:
        """Of the judge."""
        ...

    @property
    def about(self) -> dict[str, Any]:
        """What a record says of it once."""
        ...

    def trial(self, generator: Generator) -> None:
        """What TRIED pictures of a point take, to be timed."""
        ...

    def measure(self, generator: Generator, last: bool, step: int) -> Measured | None:
        """All processes of a training paint; the first one judges, the others get nothing."""
        ...


def held_out(config: RunConfig, parts: Parts, device: str) -> HeldOut:
    """Of what the run trains on, but never shown to it: other pictures of the world, or samples of its corpora."""
    if config.data.mix == WORLD:
        index = np.arange(config.evaluation.held_out)
        scenes = draw(HELD_OUT, index)
        return HeldOut(captions(scenes, HELD_OUT, index), parts.codec.encode(render(scenes, device)))
    told, x_1 = build.held_out(config, parts.codec)
    if x_1.dim() == PICTURES:
        some = x_1.split(config.evaluation.batch)
        return HeldOut(told, torch.cat([parts.codec.encode(pixels(shown.to(device))) for shown in some]))
    return HeldOut(told, x_1.to(device))


def losses(config: RunConfig, generator: Generator, held_out: HeldOut, device: str) -> dict[str, float]:
    """With one draw of noise for the whole run."""
    x_1 = held_out.x_1
    x_0 = noise(HELD_OUT, np.arange(len(x_1)), *x_1.shape[1:]).to(x_1)
    was_training = generator.training
    generator.eval()
    with torch.no_grad(), autocast(config.compute.precision, device):
        parts = generator.generation.held_out(x_1, x_0, generator.condition(held_out.told))
    generator.train(was_training)
    return {f"loss/{name}": value for name, value in parts.items()}
