"""The protocol of evaluators and the contents of a measured point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from headtohead.eval.curve_points.score import Point
from headtohead.models.generator import Generator

TRIED = 48  # pictures painted to estimate the time of a point


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
