"""Fréchet distance between two sets of features, without a square root of a non-symmetric matrix.

|mean_a - mean_b|^2 + tr(A + B - 2 sqrt(A B)). With A = R R', the eigenvalues of A B are those of R' B R, which is
symmetric: its roots are real by construction. A reference keeps its R; and fewer samples than dimensions, B = C' C with
C (n, d), leave n eigenvalues that are not zero, those of (C R) (C R)'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[np.float64]
PIECES = 10  # sizes from which FID-infinity is drawn out
LEAST = 0.3  # the smallest of them, as a share of the sample


def moments(features: Array) -> tuple[Array, Array]:
    """Mean (d,) and covariance (d, d) of features (N, d)."""
    features = np.asarray(features, np.float64)
    return features.mean(0), np.cov(features, rowvar=False)


@dataclass(frozen=True)
class Reference:
    """What samples are compared with: moments, and a root of the covariance that is worked out once."""

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
        """To a sample (N, d), by whichever form is smaller."""
        features = np.asarray(features, np.float64)
        mean = features.mean(0)
        centred = (features - mean) / np.sqrt(len(features) - 1)
        side = centred @ self.root  # C R
        # One triangle of side side' or side' side, the smaller of them.
        inner = scipy.linalg.blas.dsyrk(1.0, side.T, trans=len(features) < len(mean))
        offset = mean - self.mean
        trace = np.trace(self.covariance) + (centred**2).sum()
        return float(offset @ offset + trace - 2 * _roots(inner))


def _roots(symmetric: Array) -> float:
    """Sum of the roots of the eigenvalues, which rounding alone makes negative; reads the upper triangle."""
    values = scipy.linalg.eigvalsh(symmetric, lower=False, check_finite=False, overwrite_a=True, driver="evd")
    return float(np.sqrt(np.clip(values, 0, None)).sum())


def fid(features_a: Array, features_b: Array) -> float:
    return Reference.of(features_a).distance(features_b)


def infinity(reference: Reference, features: Array, seed: int = 0) -> float:
    """FID grows with 1 / N at small N: the value at 1 / N = 0 of a line through FIDs of parts of the sample."""
    rng, number = np.random.default_rng(seed), len(features)
    sizes = np.linspace(LEAST * number, number, PIECES).astype(int)
    values = [reference.distance(features[rng.permutation(number)[:n]]) for n in sizes]
    slope = np.polynomial.Polynomial.fit(1 / sizes, values, 1).convert()
    return float(slope.coef[0])
