"""What captions say is true of their scenes, read from the text alone; how often they say it; what they are made of."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from headtohead.synthetic.captions import said
from headtohead.synthetic.captions.words import plural, words_of
from headtohead.synthetic.captions.write import A_PICTURE, STYLES, captions, known_words, of_training, shares
from headtohead.synthetic.prompts import dense_prompts, short_prompts
from headtohead.synthetic.scenes import FREE, Scenes, draw
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, COUNT_WORDS, SHAPES, SIZE_NAMES

ONLY = {style: tuple(float(style == other) for other in STYLES) for style in STYLES}
SIZE, COLOUR = (rf"(?:({'|'.join(names)}) )?" for names in (SIZE_NAMES, COLOUR_NAMES))
SHAPE = rf"({'|'.join(SHAPES)})\b"
THING = re.compile(SIZE + COLOUR + SHAPE)
MANY = re.compile(rf"({'|'.join(COUNT_WORDS[2:])}) {SIZE}{COLOUR}({'|'.join(map(plural, SHAPES))})\b", re.I)
# What places and relations are called: axis, and which way along it.
PLACES = {"left": (0, -1), "right": (0, 1), "top": (1, -1), "upper": (1, -1), "bottom": (1, 1), "lower": (1, 1)}
PLACE = r"(?:on|at|in) the (left|right|top|bottom|upper|lower)\b(?! of)"
BY = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "over": (1, -1), "below": (1, 1), "under": (1, 1)}
RELATION = rf"(?:to the )?({'|'.join(BY)})"


def told(style: str, number: int = 1500) -> tuple[Scenes, list[str]]:
    index = np.arange(number)
    scenes = draw(0, index)
    return scenes, captions(scenes, 1, index, ONLY[style])


def meant(scenes: Scenes, row: int, size: str, colour: str, shape: str) -> list[int]:
    """The objects that a name can mean."""
    return [
        j
        for j in range(scenes.count[row])
        if SHAPES[scenes.shape[row, j]] == shape
        and colour in ("", COLOUR_NAMES[scenes.colour[row, j]])
        and size in ("", SIZE_NAMES[scenes.size[row, j]])
    ]


@pytest.mark.parametrize("style", STYLES)
def test_every_named_thing_is_in_the_scene(style: str) -> None:
    scenes, texts = told(style)
    for row, text in enumerate(texts):
        names = THING.findall(text)
        assert names or MANY.search(text), text
        assert all(meant(scenes, row, *name) for name in names), text


@pytest.mark.parametrize("style", STYLES)
def test_counts_are_exact(style: str) -> None:
    scenes, texts = told(style)
    singular = {plural(s): s for s in SHAPES}
    seen = Counter[str]()
    for row, text in enumerate(texts):
        for number, size, colour, shapes in MANY.findall(text):
            n = COUNT_WORDS.index(number.lower())
            assert len(meant(scenes, row, "", "", singular[shapes])) == n, text
            assert len(meant(scenes, row, size, colour, singular[shapes])) == n, text
            seen[number.lower()] += 1
        for number in re.findall(rf"({'|'.join(COUNT_WORDS)}) shapes", text, re.I):
            assert COUNT_WORDS.index(number.lower()) == scenes.count[row], text
    assert min(seen[word] for word in ("two", "three", "four")) > 10


@pytest.mark.parametrize("style", STYLES)
def test_the_background_is_the_scenes(style: str) -> None:
    scenes, texts = told(style)
    for row, text in enumerate(texts):
        for name in re.findall(rf"\b({'|'.join(BACKGROUND_NAMES)})\b", text):
            assert name == BACKGROUND_NAMES[scenes.background[row]], text


@pytest.mark.parametrize("style", STYLES)
def test_places_are_true_with_a_margin(style: str) -> None:
    scenes, texts = told(style)
    behind, before = (
        re.compile(rf"{THING.pattern} (?:is )?{PLACE}"),
        re.compile(rf"{PLACE}.*? an? {THING.pattern}", re.I),
    )
    found = 0
    for row, text in enumerate(texts):
        for sentence in re.split(r"\. ?", text):
            if not (match := behind.search(sentence)) and not (match := before.search(sentence)):
                assert not re.search(PLACE, sentence, re.I), text
                continue
            parts = match.groups() if match.re is behind else (*match.groups()[1:], match.group(1))
            axis, way = PLACES[parts[3].lower()]
            of = meant(scenes, row, *(p or "" for p in parts[:3]))
            assert any((scenes.centre[row, j, axis] - 32) * way >= 4 for j in of), text
            found += 1
    assert found > 100


@pytest.mark.parametrize("style", STYLES)
def test_relations_are_true(style: str) -> None:
    scenes, texts = told(style)
    forward = re.compile(rf"{THING.pattern} (?:is |stands )?{RELATION} (?:the |an? )?{THING.pattern}")
    turned = re.compile(rf"{RELATION} the {THING.pattern} there is the {THING.pattern}", re.I)
    found = 0
    for row, text in enumerate(texts):
        for match in (*forward.finditer(text), *turned.finditer(text)):
            parts = [p or "" for p in match.groups()]
            if match.re is turned:
                parts = [*parts[4:], *parts[:4]]
            axis, way = BY[parts[3].lower()]
            firsts, seconds = meant(scenes, row, *parts[:3]), meant(scenes, row, *parts[4:])
            offsets = [scenes.centre[row, a] - scenes.centre[row, b] for a in firsts for b in seconds if a != b]
            # The boxes' centres, by which relations go, may lie a little off the outlines' own.
            assert any(o[axis] * way > 0 and abs(o[axis]) > 0.3 * np.hypot(*o) for o in offsets), text
            found += 1
    assert found > 80


def test_things_are_said_as_often_as_declared() -> None:
    index = np.arange(12_000)
    scenes = draw(3, index)
    whats = said.said(scenes, 3, index)
    distinct = [len(set(row[:n])) == n > 1 for row, n in zip(scenes.shape.tolist(), scenes.count, strict=True)]
    rows = np.flatnonzero(distinct)  # where neither groups nor equal names play a part
    things = [t for k in rows for t in whats[k].things]
    assert len(things) / scenes.count[rows].sum() == pytest.approx(said.NAMED, abs=0.03)  # at least one always is
    assert np.mean([t.colour != FREE for t in things]) == pytest.approx(said.COLOUR, abs=0.015)
    assert np.mean([t.size != FREE for t in things]) == pytest.approx(said.SIZE, abs=0.015)
    assert np.mean([w.background != FREE for w in whats]) == pytest.approx(said.BACKGROUND, abs=0.015)
    assert np.mean([whats[k].number != FREE for k in rows]) == pytest.approx(said.NUMBER, abs=0.015)
    can = [k for k in rows if any(said.Facts.of(scenes[[k]]).halves[0][j] for t in whats[k].things for j in t.objects)]
    assert np.mean([whats[k].place is not None for k in can]) == pytest.approx(said.PLACE, abs=0.03)
    assert not any(w.place is not None and w.relation is not None for w in whats)
    several = [k for k in rows if len(whats[k].things) > 1 and whats[k].place is None]
    assert np.mean([whats[k].relation is not None for k in several]) == pytest.approx(said.RELATION, abs=0.05)


def test_half_a_pixel_decides_whether_a_place_may_be_said() -> None:
    scenes = draw(0, np.arange(1))
    scenes.centre[0, 0] = (28.1, 35.9)
    assert said.Facts.of(scenes).halves[0][0] == []
    scenes.centre[0, 0] = (27.9, 36.1)
    assert said.Facts.of(scenes).halves[0][0] == [0, 3]


def test_dense_captions_have_several_sentences_and_others_one() -> None:
    for style in STYLES:
        sentences = [text.count(".") for text in told(style, 400)[1]]
        assert min(sentences) >= 2 if style == "dense" else max(sentences) == 0


def test_the_share_of_dense_captions_is_as_asked() -> None:
    index = np.arange(4000)
    texts = captions(draw(0, index), 0, index, shares(0.75))
    assert np.mean(["." in text for text in texts]) == pytest.approx(0.75, abs=0.02)
    assert sum(shares(0.75)) == pytest.approx(1)


def test_captions_are_a_function_of_seed_and_index() -> None:
    index = np.arange(50)
    scenes = draw(0, index)
    assert captions(scenes, 1, index) == captions(scenes, 1, index)
    assert captions(scenes[10:20], 1, index[10:20]) == captions(scenes, 1, index)[10:20]
    assert captions(scenes, 2, index) != captions(scenes, 1, index)


def test_a_training_picture_has_two_captions_for_ever() -> None:
    picture = np.arange(300)
    scenes = draw(0, picture)
    by_epoch = [of_training(scenes, 0, picture, epoch, 0.5) for epoch in range(6)]
    assert A_PICTURE == 2
    assert by_epoch[0] == by_epoch[2] == by_epoch[4]
    assert by_epoch[1] == by_epoch[3] == by_epoch[5]
    assert sum(a != b for a, b in zip(by_epoch[0], by_epoch[1], strict=True)) > 250


def test_articles_and_plurals() -> None:
    index = np.arange(1500)
    text = " ".join(captions(draw(0, index), 1, index))
    assert "an orange" in text
    assert not re.search(r"\ba orange|\ban [^aeiou]|crosss|\bcrosss\b|\{|\}", text)


def test_the_known_words_are_those_of_captions_and_prompts() -> None:
    index = np.arange(5000, 9000)
    written = captions(draw(1, index), 1, index, (0.3, 0.4, 0.3))
    asked = [p.prompt for p in short_prompts.geneval("test")] + [p.text for p in dense_prompts.dense("test")]
    assert {word for text in written for word in words_of(text)} == known_words()
    assert {word for text in asked for word in words_of(text)} <= known_words()
    assert words_of("A moon's ring, two_stars!") == ["a", "moon's", "ring", "two", "stars"]
