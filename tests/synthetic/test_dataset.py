"""Hashes of the dataset: one of the pictures, one of the captions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headtohead.synthetic import dataset
from headtohead.synthetic.captions import said, templates
from headtohead.synthetic.splits import CAPTIONED, NOTHING, PICTURES


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Hashes are kept; here the dataset changes."""
    for kept in (dataset.pictures_hash, dataset.captions_hash):
        kept.cache_clear()
    yield
    for kept in (dataset.pictures_hash, dataset.captions_hash):
        kept.cache_clear()


def hashes() -> tuple[str, str]:
    dataset.captions_hash.cache_clear()
    return dataset.pictures_hash(PICTURES), dataset.captions_hash()


def test_pictures_differ_by_what_is_held_out_from_them() -> None:
    assert len({dataset.pictures_hash(held) for held in (PICTURES, CAPTIONED, NOTHING)}) == 3


def test_other_odds_and_other_words_change_the_captions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, captions = hashes()
    monkeypatch.setattr(said, "COLOUR", 0.5)
    other_odds = hashes()
    monkeypatch.setattr(said, "COLOUR", 0.75)
    assert hashes() == (pictures, captions)
    monkeypatch.setattr(templates, "FRAMED", ("behold {all}",))
    other_words = hashes()
    assert pictures == other_odds[0] == other_words[0]
    assert len({captions, other_odds[1], other_words[1]}) == 3
