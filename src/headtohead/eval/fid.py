"""Fréchet distance between two sets of features, without a square root of a non-symmetric matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def moments(features: Array) -> tuple[Array, Array]:
    """Mean (d,) and covariance (d, d) of features (N, d)."""
    features = np.asarray(features, np.float64)
    return features.mean(0), np.cov(features, rowvar=False)


def frechet(mean_a: Array, cov_a: Array, mean_b: Array, cov_b: Array) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 sqrt(A B)).

    With A = R R', the eigenvalues of A B are those of R' B R, which is symmetric: its roots are real by construction.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root.T @ cov_b @ root), 0, None)).sum()
    offset = mean_a - mean_b
    return float(offset @ offset + np.trace(cov_a) + np.trace(cov_b) - 2 * shared)


def fid(features_a: Array, features_b: Array) -> float:
    return frechet(*moments(features_a), *moments(features_b))
