"""Questions about captions: answered from what is said, and by "not said" where nothing is."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from headtohead.synthetic.captions.asked import ABOUT_NAMED, CHOICES, NOT_SAID, question, with_questions
from headtohead.synthetic.captions.said import Said, Thing, said
from headtohead.synthetic.captions.words import words_of
from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.scenes import draw
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES
from headtohead.utils.boxes import RELATIONS

STAR, RING = SHAPES.index("star"), SHAPES.index("ring")
# "three shapes: a red star above a large ring", on a background that is not said.
WHAT = Said(
    (Thing(STAR, (0,), colour=COLOUR_NAMES.index("red")), Thing(RING, (1,), size=1)),
    number=3,
    relation=(0, RELATIONS.index("above"), 1),
)
EVERY = {
    "what colour is the star?": "red",
    "what colour is the ring?": NOT_SAID,
    "what is red?": "star",
    "what is blue?": NOT_SAID,
    "how large is the ring?": "large",
    "how large is the star?": NOT_SAID,
    "where is the star?": NOT_SAID,
    "how many shapes are there in all?": "three",
    "what is the background?": NOT_SAID,
    "what is above the ring?": "star",
    "what is below the ring?": NOT_SAID,
    "what colour is the moon?": NOT_SAID,
}


def test_answers() -> None:
    u = np.random.default_rng(0).random((6000, CHOICES)).tolist()
    asked = dict(question(WHAT, own) for own in u)
    assert {q: asked[q] for q in EVERY} == EVERY


def test_groups_are_asked_for_their_number_and_places_for_their_half() -> None:
    what = Said((Thing(STAR, (0, 1, 2), size=0), Thing(RING, (3,))), place=(1, 3))
    u = np.random.default_rng(0).random((6000, CHOICES)).tolist()
    asked = dict(question(what, own) for own in u)
    assert asked["how many stars are there?"] == "three"
    assert asked["how large are the stars?"] == "small"
    assert asked["where is the ring?"] == "lower half"
    assert asked["how many shapes are there in all?"] == NOT_SAID


def test_answers_are_words_of_the_caption_and_most_questions_have_one() -> None:
    index = np.arange(3000)
    scenes = draw(1, index)
    u = np.random.default_rng(1).random((len(index), CHOICES)).tolist()
    texts, whats = captions(scenes, 1, index, (0.0, 0.0, 1.0)), said(scenes, 1, index)
    answers = Counter[str]()
    halves = {"left half": "left", "right half": "right", "upper half": "(top|upper)", "lower half": "(bottom|lower)"}
    for text, what, own in zip(texts, whats, u, strict=True):
        _, answer = question(what, own)
        answers[answer] += 1
        told = re.search(halves.get(answer, answer), " ".join(words_of(text)))
        assert answer == NOT_SAID or told, (text, answer)
    assert 1 - ABOUT_NAMED - 0.1 < answers[NOT_SAID] / len(index) < 0.4
    assert len(answers) > 30


def test_only_answers_are_marked() -> None:
    parts = with_questions("a red star here", [("what is red?", "star")])
    assert "".join(f" {part}" for part, _ in parts) == " a red star here Question: what is red? Answer: star"
    assert [part for part, answer in parts if answer] == ["star"]


@pytest.mark.parametrize("u", [0.0, 0.999999])
def test_the_ends_of_the_unit_interval_are_questions_too(u: float) -> None:
    assert question(WHAT, [u] * CHOICES)[0].endswith("?")
