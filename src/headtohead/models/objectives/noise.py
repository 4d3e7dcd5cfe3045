"""The noise of a training step, drawn for the whole global batch and cut to the rows at hand.

A row's noise then depends on neither the number of devices nor the size of the parts in which a batch is worked off.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Which rows of a step's global batch: from `start`, of so many."""

    start: int
    of: int


class Draws:
    """One after another, as a generator gives them; every part of a batch asks in the same order."""

    def __init__(self, seed: int, rows: Rows, device: torch.device) -> None:
        self.generator, self.rows = torch.Generator(device).manual_seed(seed), rows

    def uniform(self, x: Tensor) -> Tensor:
        """(B,) in [0, 1), of x's type."""
        out = torch.rand(self.rows.of, generator=self.generator, device=x.device, dtype=x.dtype)
        return out[self.rows.start : self.rows.start + len(x)]

    def normal(self, x: Tensor) -> Tensor:
        """Like x."""
        shape = (self.rows.of, *x.shape[1:])
        out = torch.randn(shape, generator=self.generator, device=x.device, dtype=x.dtype)
        return out[self.rows.start : self.rows.start + len(x)]


def fresh(x: Tensor, seed: int = 0) -> Draws:
    """For a batch that stands alone."""
    return Draws(seed, Rows(0, len(x)), x.device)
