"""Precision and recall of a set of pictures against real ones: how many look real, and how much of the real is covered.

A sample lies within a set if it is no farther from one of the set's points than that point's k-th neighbour in the set.
Precision is the share of generated samples within the real set, recall the share of real samples within the generated
one. A Fréchet distance mixes both. (Kynkäänniemi et al., 2019.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.eval.metrics.base import Counted, doubles

Array = NDArray[np.float64]
NEIGHBOURS = 3


def distances(a: Array, b: Array) -> Array:
    """(len(a), len(b)) Euclidean distances of features (., d)."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.clip(squares, 0, None))


def radii(points: Array, k: int = NEIGHBOURS) -> Array:
    """(n,) the distance of each point (n, d) to its k-th neighbour among the others."""
    own = distances(points, points)
    np.fill_diagonal(own, 0)  # rounding leaves a little
    out: Array = np.partition(own, k, axis=1)[:, k]
    return out


def share_within(samples: Array, points: Array, k: int = NEIGHBOURS) -> float:
    """The share of samples (m, d) that lie within the set of points (n, d)."""
    return float((distances(samples, points) <= radii(points, k)).any(1).mean())


class PrecisionRecall(Counted):
    """Of samples against `real` features (n, d); NaN with no more than k samples. `update` takes features."""

    def __init__(self, real: Array, k: int = NEIGHBOURS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.real, self.k = np.asarray(real, np.float64), k
        self.lists("features")

    def update(self, features: Tensor | Array) -> None:
        """Features (B, d) of a batch."""
        self.append("features", features)

    def compute(self) -> dict[str, Tensor]:
        made = self.joined("features").reshape(-1, self.real.shape[1])
        if min(len(made), len(self.real)) <= self.k:
            return {name: torch.tensor(np.nan, dtype=torch.float64) for name in ("precision", "recall")}
        return doubles(
            {"precision": share_within(made, self.real, self.k), "recall": share_within(self.real, made, self.k)}
        )
