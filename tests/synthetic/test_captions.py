"""What captions say is true of their scenes, and swapped attributes make it false."""

from __future__ import annotations

import re

import numpy as np
import pytest

from headtohead.synthetic.captions import captions, known_words, words_of
from headtohead.synthetic.prompts import dense_prompts, short_prompts
from headtohead.synthetic.scenes import draw
from headtohead.synthetic.vocabulary import COLOUR_NAMES, COUNT_WORDS, PLACES, SHAPES, SIZE_NAMES

SHARES = {"short": (1.0, 0.0, 0.0), "listing": (0.0, 1.0, 0.0), "dense": (0.0, 0.0, 1.0)}
THING = re.compile(rf"(?:({'|'.join(SIZE_NAMES)}) )?({'|'.join(COLOUR_NAMES)}) ({'|'.join(SHAPES)})\b")


@pytest.mark.parametrize("style", SHARES)
def test_every_coloured_thing_is_in_the_scene(style: str) -> None:
    index = np.arange(600)
    scenes = draw(0, index)
    for row, text in enumerate(captions(scenes, 1, index, SHARES[style])):
        n = scenes.count[row]
        there = {
            (SIZE_NAMES[z], COLOUR_NAMES[c], SHAPES[s])
            for z, c, s in zip(scenes.size[row, :n], scenes.colour[row, :n], scenes.shape[row, :n], strict=True)
        }
        for size, colour, shape in THING.findall(text):
            assert any(c == colour and s == shape and size in ("", z) for z, c, s in there), text


def test_a_listing_tells_every_object_with_its_place() -> None:
    index = np.arange(200)
    scenes = draw(0, index)
    for row, text in enumerate(captions(scenes, 1, index, SHARES["listing"])):
        assert len(THING.findall(text)) == scenes.count[row]
        assert len(re.findall("at the (" + "|".join(PLACES) + r")\b", text)) == scenes.count[row]


def test_dense_captions_count_right_and_have_several_sentences() -> None:
    index = np.arange(200)
    scenes = draw(0, index)
    for row, text in enumerate(captions(scenes, 1, index, SHARES["dense"])):
        assert f" {COUNT_WORDS[scenes.count[row]]} " in text
        assert text.count(".") >= 1 + scenes.count[row]


def test_captions_are_a_function_of_seed_and_index() -> None:
    index = np.arange(50)
    scenes = draw(0, index)
    assert captions(scenes, 1, index) == captions(scenes, 1, index)
    assert captions(scenes[10:20], 1, index[10:20]) == captions(scenes, 1, index)[10:20]
    assert captions(scenes, 2, index) != captions(scenes, 1, index)


def test_articles_and_plurals() -> None:
    index = np.arange(800)
    text = " ".join(captions(draw(0, index), 1, index, (0.5, 0.0, 0.5)))
    assert "an orange" in text
    assert not re.search(r"\ba orange|\ban [^aeiou]|crosss|\bcrosss\b", text)


def test_the_known_words_are_those_of_captions_and_prompts() -> None:
    index = np.arange(5000, 8000)
    written = captions(draw(1, index), 1, index, (0.3, 0.4, 0.3))
    asked = [p.prompt for p in short_prompts.geneval("test")] + [p.text for p in dense_prompts.dense("test")]
    assert {word for text in written for word in words_of(text)} == known_words()
    assert {word for text in asked for word in words_of(text)} <= known_words()
    assert words_of("A moon's ring, two_stars!") == ["a", "moon's", "ring", "two", "stars"]
