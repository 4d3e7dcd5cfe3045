"""Random numbers of training steps and of samples, as functions of seed and position.

A row's numbers then depend neither on the number of devices nor on the size of the parts in which a batch is processed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Rows of a step's global batch."""

    start: int
    number: int
    of: int  # rows of the global batch


class Draws(Protocol):
    """Random numbers for the B rows of a batch, new ones at every call."""

    def uniform(self, *shape: int) -> Tensor:
        """(B, *shape) in [0, 1)."""
        ...

    def normal(self, *shape: int) -> Tensor:
        """(B, *shape) of the standard normal distribution."""
        ...


class StepDraws:
    """Draws of a training step: made for the whole global batch and cut to the rows at hand."""

    def __init__(self, seed: int, rows: Rows, device: torch.device | str) -> None:
        """
        seed    of this step
        rows    those that are processed here
        device  on which the numbers are made; other kinds of device make other numbers
        """
        self.generator, self.rows = torch.Generator(device).manual_seed(seed), rows

    def uniform(self, *shape: int) -> Tensor:
        return self._cut(torch.rand(self.rows.of, *shape, generator=self.generator, device=self.generator.device))

    def normal(self, *shape: int) -> Tensor:
        return self._cut(torch.randn(self.rows.of, *shape, generator=self.generator, device=self.generator.device))

    def _cut(self, x: Tensor) -> Tensor:
        return x[self.rows.start : self.rows.start + self.rows.number]


class PictureDraws:
    """Draws of samples: picture k has the same numbers in every batch and on every device."""

    def __init__(self, seed: int, numbers: Sequence[int] | np.ndarray, device: torch.device | str) -> None:
        """
        seed     of all pictures
        numbers  which pictures these are, one a row
        device   where the numbers are needed
        """
        self.generators, self.device = [np.random.default_rng((seed, int(k))) for k in numbers], device

    def uniform(self, *shape: int) -> Tensor:
        return self._stack([g.random(shape) for g in self.generators])

    def normal(self, *shape: int) -> Tensor:
        return self._stack([g.standard_normal(shape) for g in self.generators])

    def _stack(self, rows: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(rows)).float().to(self.device)


def fresh(number: int, device: torch.device | str, seed: int = 0) -> StepDraws:
    """Draws for a whole batch of so many rows."""
    return StepDraws(seed, Rows(0, number, number), device)
