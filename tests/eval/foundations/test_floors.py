"""Retrieval by bag of words."""

from __future__ import annotations

from headtohead.eval.foundations.floors import nearest

KNOWN = ["a red circle", "a blue star and a red ring", "A red circle, large.", "two moons", "a red circle"]


def test_the_nearest_caption_shares_the_most_words() -> None:
    found = nearest(["a red circle", "two stars", "a red ring and a blue star", "a large red circle"], KNOWN)
    assert found.tolist() == [0, 3, 1, 2]  # of equals the first; the order of words is not seen


def test_words_count_as_often_as_they_occur() -> None:
    assert nearest(["star star"], ["star ring", "star star moon", "star"]).tolist() == [1]
