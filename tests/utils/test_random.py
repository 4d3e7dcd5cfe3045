"""Counter-based random numbers: uniform, independent of order, different for other seeds and salts."""

from __future__ import annotations

import numpy as np

from headtohead.utils import random

INDEX = np.arange(20_000)


def test_numbers_are_uniform_and_uncorrelated() -> None:
    u = random.uniform(random.keys(1, INDEX), 4)
    assert u.min() >= 0
    assert u.max() < 1
    assert np.abs(u.mean(0) - 0.5).max() < 0.01
    assert np.abs(u.var(0) - 1 / 12).max() < 0.002
    correlation = np.corrcoef(np.concatenate([u[1:].T, u[:-1].T]))  # between lanes, and with the index before
    assert np.abs(correlation - np.eye(8)).max() < 0.03


def test_keys_depend_on_seed_index_and_salt_alone() -> None:
    base = random.keys(1, INDEX, 2)
    assert np.array_equal(base[::-1], random.keys(1, INDEX[::-1], 2))
    assert len(np.unique(np.concatenate([base, random.keys(2, INDEX, 1), random.keys(1, INDEX, 3)]))) == 60_000


def test_choices_follow_their_weights() -> None:
    u = random.uniform(random.keys(3, INDEX), 1)[:, 0]
    share = np.bincount(random.choose(u, np.array([0.0, 1.0, 3.0])), minlength=3) / len(INDEX)
    assert np.allclose(share, [0, 0.25, 0.75], atol=0.01)
