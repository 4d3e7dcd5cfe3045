"""Intervals hold the truth about as often as they say; differences that are none are called none."""

from __future__ import annotations

import numpy as np
import pytest

from headtohead.eval.folders.uncertainty import over_pictures, over_prompts, paired


def test_intervals_over_prompts_cover_the_truth() -> None:
    """200 studies of two tasks: prompts differ in difficulty, four pictures of each."""
    rng, hits = np.random.default_rng(0), 0
    tasks = np.repeat([0, 1], 60)
    for _ in range(200):
        difficulty = rng.beta(2, 2, size=120)
        scores = rng.binomial(4, difficulty) / 4
        span = over_prompts(list(scores), list(tasks))
        hits += span.low <= 0.5 <= span.high
    assert 0.9 <= hits / 200 <= 0.99


def test_pairs_find_a_difference_and_no_difference() -> None:
    rng = np.random.default_rng(1)
    a = rng.uniform(size=300)
    estimate, span, p = paired(list(a), list(a + 0.05 + 0.1 * rng.normal(size=300)), [0] * 300)
    assert span.low < estimate < span.high
    assert p < 0.01
    calls = [paired(list(a), list(a + 0.1 * rng.normal(size=300)), [0] * 300)[2] < 0.05 for _ in range(60)]
    assert np.mean(calls) < 0.15


def test_the_overall_weighs_tasks_alike() -> None:
    estimate, _, _ = paired([0.0] * 10, [1.0] + [0.0] * 9, [0] + [1] * 9)
    assert estimate == pytest.approx(0.5)


def test_an_interval_over_pictures_has_the_width_of_its_standard_error() -> None:
    x = np.random.default_rng(2).normal(size=(400, 1))
    span = over_pictures(x, lambda sample: float(sample.mean()), 200)
    assert (span.high - span.low) / 2 == pytest.approx(1.96 / 20, rel=0.25)
