"""Fréchet distance between two sets of features, without a square root of a non-symmetric matrix.

|mean_a - mean_b|^2 + tr(A + B - 2 sqrt(A B)). With A = R R', the eigenvalues of A B are those of R' B R, which is
symmetric: its roots are real by construction. A reference keeps its R; and fewer samples than dimensions, B = C' C with
C (n, d), leave n eigenvalues that are not zero, those of (C R) (C R)'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.eval.metrics.base import Counted

Array = NDArray[np.float64]
PIECES = 10  # sizes from which FID-infinity is drawn out
LEAST = 0.3  # the smallest of them, as a share of the sample


def moments(features: Array) -> tuple[Array, Array]:
    """Mean (d,) and covariance (d, d) of features (N, d)."""
    features = np.asarray(features, np.float64)
    return features.mean(0), np.cov(features, rowvar=False)


@dataclass(frozen=True)
class Reference:
    """What samples are compared with: moments of `n` features, and a root of the covariance that is worked out once."""

    mean: Array  # (d,)
    covariance: Array  # (d, d)
    n: int

    @staticmethod
    def of(features: Array) -> Reference:
        return Reference(*moments(features), len(features))

    @cached_property
    def root(self) -> Array:
        """R (d, d) with R R' = covariance."""
        values, vectors = scipy.linalg.eigh(self.covariance, check_finite=False)
        out: Array = vectors * np.sqrt(np.clip(values, 0, None))
        return out

    def distance(self, features: Array) -> float:
        """To a sample (N, d), by the smaller of two equal forms."""
        features = np.asarray(features, np.float64)
        mean = features.mean(0)
        centred = (features - mean) / np.sqrt(len(features) - 1)
        side = centred @ self.root  # C R
        # One triangle of side side' or side' side, the smaller of them.
        inner = scipy.linalg.blas.dsyrk(1.0, side.T, trans=len(features) < len(mean))
        offset = mean - self.mean
        trace = np.trace(self.covariance) + (centred**2).sum()
        return float(offset @ offset + trace - 2 * _roots(inner))

    def distance_to(self, mean: Array, covariance: Array) -> float:
        """To a sample of which only the mean (d,) and covariance (d, d) are known."""
        inner, offset = self.root.T @ covariance @ self.root, mean - self.mean
        return float(offset @ offset + np.trace(self.covariance) + np.trace(covariance) - 2 * _roots(inner))


def _roots(symmetric: Array) -> float:
    """Sum of the roots of the eigenvalues, which rounding alone makes negative; reads the upper triangle."""
    values = scipy.linalg.eigvalsh(symmetric, lower=False, check_finite=False, overwrite_a=True, driver="evd")
    return float(np.sqrt(np.clip(values, 0, None)).sum())


class FrechetDistance(Counted):
    """Fréchet distance of samples to a reference, over batches and processes; `update` takes features.

    Beyond `exact` samples, features are folded into double-precision sums, so that memory stops growing: their number,
    sum (d,) and sum of products (d, d), all about the reference's mean, where subtracting squares loses no digits. Up
    to there they are kept, and the result is `Reference.distance` to the last bit.

    reference  of what the samples are compared with; its root is worked out once, at the first `compute`
    exact      samples a process keeps
    """

    higher_is_better = False
    features: list[Tensor] | Tensor
    n: Tensor
    first: Tensor
    second: Tensor

    def __init__(self, reference: Reference, exact: int = 4096, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference, self.exact = reference, exact
        d = len(reference.mean)
        self.lists("features")
        self.sums("n")
        self.sums("first", shape=[d], dtype=torch.float64)
        self.sums("second", shape=[d, d], dtype=torch.float64)

    def update(self, features: Tensor | Array) -> None:
        """Features (B, d) of a batch."""
        self.append("features", features)
        kept = sum(len(rows) for rows in self.features) // len(self.reference.mean)
        if self.n or kept > self.exact:
            n, first, second = self._sums()
            self.n += n
            self.first += torch.from_numpy(first).to(self.device)
            self.second += torch.from_numpy(second).to(self.device)
            self.features = []

    def _kept(self) -> Array:
        return self.joined("features").reshape(-1, len(self.reference.mean))

    def _sums(self) -> tuple[int, Array, Array]:
        """Number, sum and sum of products of the features that are kept."""
        x = self._kept() - self.reference.mean
        return len(x), x.sum(0), x.T @ x

    def compute(self) -> Tensor:
        if not self.n:
            return torch.tensor(self.reference.distance(self._kept()), dtype=torch.float64)
        n, first, second = self._sums()
        total = n + int(self.n)
        mean = (first + self.first.cpu().numpy()) / total
        covariance = (second + self.second.cpu().numpy() - total * np.outer(mean, mean)) / (total - 1)
        return torch.tensor(self.reference.distance_to(mean + self.reference.mean, covariance), dtype=torch.float64)


def fid(features_a: Array, features_b: Array) -> float:
    return Reference.of(features_a).distance(features_b)


def infinity(reference: Reference, features: Array, seed: int = 0) -> float:
    """FID grows with 1 / N at small N: the value at 1 / N = 0 of a line through FIDs of parts of the sample."""
    rng, number = np.random.default_rng(seed), len(features)
    sizes = np.linspace(LEAST * number, number, PIECES).astype(int)
    values = [reference.distance(features[rng.permutation(number)[:n]]) for n in sizes]
    slope = np.polynomial.Polynomial.fit(1 / sizes, values, 1).convert()
    return float(slope.coef[0])
