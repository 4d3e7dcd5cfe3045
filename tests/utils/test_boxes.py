"""GenEval's relation rule on boxes whose relation is known."""

from __future__ import annotations

import numpy as np
import pytest

from headtohead.utils.boxes import RELATIONS, relations


def box(x: float, y: float, side: float = 10) -> tuple[float, float, float, float]:
    return (x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def named(a: tuple[float, ...], b: tuple[float, ...]) -> set[str]:
    return {name for name, holds in zip(RELATIONS, relations(a, b), strict=True) if holds}


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        (box(10, 30), box(50, 30), {"left of"}),
        (box(50, 30), box(10, 30), {"right of"}),
        (box(30, 10), box(30, 50), {"above"}),
        (box(30, 50), box(30, 10), {"below"}),
        (box(10, 10), box(50, 50), {"left of", "above"}),  # a diagonal satisfies both
        (box(30, 30), box(30, 30), set()),
        (box(30, 30), box(31.9, 30), set()),  # less than a tenth of both spans: no relation
        (box(30, 30), box(32.1, 30), set()),  # just more: the direction stays short of one half
        (box(30, 30), box(34.1, 30), {"left of"}),  # (4.1 - 2) / 4.1 > 0.5
        (box(30, 30), box(33.9, 30), set()),
    ],
)
def test_relations(a: tuple[float, ...], b: tuple[float, ...], want: set[str]) -> None:
    assert named(a, b) == want


def test_opposites_are_neighbours() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 50, (500, 2, 2))
    a, b = np.concatenate([corner, corner + rng.uniform(2, 14, (500, 2, 2))], -1).transpose(1, 0, 2)
    there, back = relations(a, b), relations(b, a)
    assert (there == back[:, [1, 0, 3, 2]]).all()
