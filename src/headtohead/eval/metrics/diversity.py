"""Diversity: how different the pictures of one prompt are, as the mean distance of their features over all pairs.

To call a model diverse, only pictures that the judge accepts count: wrong pictures differ in many ways, and counting
them would praise a model for its mistakes. To call it deterministic, all count.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.eval.metrics.base import Counted


def mean_distances(features: NDArray[np.float64], accepted: NDArray[np.bool_]) -> list[float]:
    """Mean pairwise distance for each prompt with at least two accepted pictures.

    features  (prompts, pictures, d)
    accepted  (prompts, pictures): which of them count
    """
    means = []
    for x, keep in zip(features, accepted, strict=True):
        kept = x[keep]
        if len(kept) > 1:
            distance = np.linalg.norm(kept[:, None] - kept[None], axis=-1)
            means.append(float(distance[np.triu_indices(len(kept), 1)].mean()))
    return means


def share_different(values: Iterable[Sequence[Hashable]]) -> float:
    """Mean over prompts of the share of pairs of their pictures that differ in a value; NaN without a prompt.

    values  of each prompt's pictures
    """
    shares = [np.mean([a != b for a, b in combinations(own, 2)]) for own in values]
    return float(np.mean(shares)) if shares else float("nan")


class Diversity(Counted):
    """Mean over prompts of the mean pairwise feature distance; NaN while no prompt has two accepted pictures."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lists("distances")

    def update(self, features: NDArray[np.float64] | Tensor, accepted: NDArray[np.bool_] | Tensor) -> None:
        """Of whole prompts: features (prompts, pictures, d), accepted (prompts, pictures)."""
        x, keep = torch.as_tensor(features).double().cpu().numpy(), torch.as_tensor(accepted).bool().cpu().numpy()
        self.append("distances", mean_distances(x, keep))

    def compute(self) -> Tensor:
        distances = self.joined("distances")
        return torch.tensor(np.mean(distances) if len(distances) else np.nan, dtype=torch.float64)

    @property
    def prompts(self) -> int:
        """How many prompts had a pair."""
        return len(self.joined("distances"))
