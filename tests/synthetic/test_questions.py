"""Questions are answered from detections alone, each form with a case that holds and one that does not."""

from __future__ import annotations

import numpy as np
import pytest

from headtohead.synthetic.prompts import questions
from headtohead.utils.boxes import Detection


def seen(name: str, colour: str, x: float, y: float, radius: float = 7, score: float = 0.9) -> Detection:
    return Detection(name, score, (x - radius, y - radius, x + radius, y + radius), np.zeros((64, 64), bool), colour)


SCENE = [
    seen("circle", "red", 12, 12),
    seen("star", "blue", 50, 50, radius=13),
    seen("star", "white", 12, 50),
    seen("moon", "green", 32, 32, score=0.2),  # too unsure to count
    seen("ring", "green", 33.5, 20),
    seen("cross", "green", 34.5, 36),
]


@pytest.mark.parametrize(
    ("question", "want"),
    [
        (questions.is_there("circle"), "yes"),
        (questions.is_there("moon"), "no"),
        (questions.how_many_shapes(4), "no"),
        (questions.how_many("star", 2), "yes"),
        (questions.how_many("star", 1), "no"),
        (questions.has_attribute("circle", "red"), "yes"),
        (questions.has_attribute("circle", "blue"), "no"),
        (questions.has_attribute("star", "large"), "yes"),
        (questions.has_attribute("circle", "large"), "no"),
        (questions.is_at("circle", "left half"), "yes"),
        (questions.is_at("circle", "right half"), "no"),
        (questions.is_at("circle", "upper half"), "yes"),
        (questions.is_at("circle", "lower half"), "no"),
        (questions.is_at("star", "right half"), "yes"),  # one of the two is
        (questions.is_at("ring", "right half"), "no"),  # two pixels beyond the middle are needed
        (questions.is_at("cross", "right half"), "yes"),
        (questions.are_all("star", "blue"), "no"),
        (questions.are_all("circle", "red"), "yes"),
        (questions.are_all("heart", "red"), "no"),
        (questions.stands("circle", "above", "star"), "yes"),
        (questions.stands("circle", "below", "star"), "no"),
        (questions.background("sand"), "yes"),
        (questions.background("pale blue"), "no"),
    ],
)
def test_answers(question: str, want: str) -> None:
    assert questions.answer(question, SCENE, "sand") == want


def test_only_shapes_that_the_judge_is_sure_of_are_counted() -> None:
    assert questions.answer(questions.how_many_shapes(4), SCENE[:5], "sand") == "yes"
    assert questions.answer(questions.how_many_shapes(3), SCENE[:5], "sand") == "no"


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot answer the question 'Is there a dragon"):
        questions.answer("Is there a dragon?", SCENE, "sand")
