"""Diversity on points whose distances are known."""

from __future__ import annotations

import numpy as np

from headtohead.eval.metrics.diversity import Diversity


def pairwise(features: np.ndarray, accepted: np.ndarray) -> tuple[float, int]:
    metric = Diversity()
    metric.update(features, accepted)
    return float(metric.compute()), metric.prompts


X = np.array([[[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0], [9.0, 9.0]]])


def test_only_accepted_pictures_count() -> None:
    assert pairwise(X, np.ones((2, 3), bool)) == (((5 + 0 + 5) / 3 + (0 + 2 * 128**0.5) / 3) / 2, 2)
    assert pairwise(X, np.array([[True, True, False], [True, True, False]])) == (2.5, 2)
    assert pairwise(X, np.array([[True, True, False], [True, False, False]])) == (5.0, 1)


def test_no_pair_is_no_number() -> None:
    value, prompts = pairwise(X, np.zeros((2, 3), bool))
    assert np.isnan(value)
    assert prompts == 0
