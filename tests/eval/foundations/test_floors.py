"""Retrieval by bag of words, scored by what the found scenes hold."""

from __future__ import annotations

import numpy as np
import pytest

from headtohead.eval.curve_points.prompts import PromptSet, prompt_set
from headtohead.eval.curve_points.score import of_scenes
from headtohead.eval.foundations.floors import nearest, retrieved

KNOWN = ["a red circle", "a blue star and a red ring", "A red circle, large.", "two moons", "a red circle"]


def test_the_nearest_caption_shares_the_most_words() -> None:
    found = nearest(["a red circle", "two stars", "a red ring and a blue star", "a large red circle"], KNOWN)
    assert found.tolist() == [0, 3, 1, 2]  # of equals the first; the order of words is not seen


def test_words_count_as_often_as_they_occur() -> None:
    assert nearest(["star star"], ["star ring", "star star moon", "star"]).tolist() == [1]


@pytest.fixture(scope="module")
def asked() -> PromptSet:
    return prompt_set("dev", pictures={"geneval": 120, "dpg": 40})


def test_true_scenes_fulfil_their_prompts_and_those_of_other_prompts_seldom(asked: PromptSet) -> None:
    true = of_scenes(asked, asked.scenes)
    assert true["geneval/overall"] == true["dpg/overall"] == true["dpg/unseen"] == 1
    other = of_scenes(asked, asked.scenes[np.roll(np.arange(len(asked.items)), 33)])
    assert other["geneval/overall"] < 0.15
    assert other["dpg/overall"] < 0.35


def test_training_scenes_cannot_fulfil_short_prompts_for_what_is_held_out(asked: PromptSet) -> None:
    scores = of_scenes(asked, retrieved(asked.texts))
    assert scores["geneval/unseen"] == 0
    assert 0.4 < scores["geneval/seen"] < 0.9
    assert scores["geneval/overall"] < 0.5
