"""Precision and recall on sets whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from headtohead.eval.metrics.precision_recall import PrecisionRecall, distances, radii, share_within

RNG = np.random.default_rng(0)
REAL = np.concatenate([RNG.normal(0, 0.1, (60, 4)), RNG.normal(5, 0.1, (60, 4))])  # two clusters


def scores(made: np.ndarray) -> dict[str, float]:
    metric = PrecisionRecall(REAL, sync_on_compute=False)
    for part in np.array_split(made, 3):
        metric.update(part)
    return metric.values()


def test_distances_and_radii_are_the_plain_ones() -> None:
    other = RNG.normal(size=(30, 4))
    assert np.allclose(distances(REAL, other), cdist(REAL, other))
    assert np.allclose(radii(REAL, 3), np.sort(cdist(REAL, REAL), axis=1)[:, 3], atol=1e-6)


def test_one_of_two_kinds_is_precise_and_covers_half() -> None:
    got = scores(RNG.normal(0, 0.1, (120, 4)))
    assert got["precision"] > 0.8
    assert 0.35 < got["recall"] <= 0.5


def test_both_kinds_and_rubbish_cover_all_and_are_half_precise() -> None:
    good = np.concatenate([RNG.normal(0, 0.1, (60, 4)), RNG.normal(5, 0.1, (60, 4))])
    got = scores(np.concatenate([good, RNG.uniform(50, 100, (120, 4))]))
    assert 0.4 < got["precision"] <= 0.5
    assert got["recall"] > 0.8


def test_one_picture_again_and_again_covers_nothing() -> None:
    got = scores(np.repeat(REAL[:1], 50, 0))
    assert got["precision"] == 1
    assert got["recall"] == pytest.approx(1 / len(REAL))


def test_too_few_have_no_score() -> None:
    assert np.isnan(scores(REAL[:3])["precision"])


def test_a_point_is_within_a_set_up_to_the_radius_of_its_nearest() -> None:
    line = np.arange(10.0)[:, None]
    assert share_within(np.array([[9.9], [11.9], [30.0]]), line, k=3) == pytest.approx(2 / 3)
