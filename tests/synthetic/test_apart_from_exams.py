"""Training captions are no sentences of the exams, in words or in form, and show none of what is held out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from headtohead.data.synthetic_batches import STREAM
from headtohead.synthetic.captions.said import said
from headtohead.synthetic.captions.truth import unseen
from headtohead.synthetic.captions.words import plural
from headtohead.synthetic.captions.write import A_PICTURE, captions, of_training
from headtohead.synthetic.prompts import dense_prompts, short_prompts
from headtohead.synthetic.scenes import draw
from headtohead.synthetic.splits import CAPTIONED, PICTURES
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, COUNT_WORDS, SHAPES, SIZE_NAMES
from headtohead.utils.boxes import RELATIONS

SPLITS: tuple[short_prompts.Split, ...] = ("dev", "test")
KINDS = {
    "SHAPES": [plural(s) for s in SHAPES],
    "SHAPE": SHAPES,
    "COLOUR": (*BACKGROUND_NAMES, *COLOUR_NAMES),
    "SIZE": SIZE_NAMES,
    "NUMBER": COUNT_WORDS[2:],
}


@cache
def training() -> tuple[str, ...]:
    """More than 50,000 captions: those of 20,480 training pictures, and of two further streams."""
    out = list[str]()
    for seed in (STREAM, 29, 19):
        index = np.arange(20_480 if seed == STREAM else 8_000)
        scenes = draw(seed, index)
        for epoch in range(A_PICTURE):
            out += of_training(scenes, seed, index, epoch, 0.4)
    assert len(out) > 50_000
    return tuple(out)


def plain(text: str) -> str:
    return " ".join(re.sub(r"[.,;:]", " ", text.lower()).split())


def prompts() -> Iterator[str]:
    for split in SPLITS:
        yield from (p.prompt for p in short_prompts.geneval(split))
        yield from (p.text for p in dense_prompts.dense(split))


def test_no_training_caption_is_a_prompt() -> None:
    shown = set(map(plain, training()))
    assert not [text for text in prompts() if plain(text) in shown]


def skeleton(text: str) -> str:
    """A sentence with its shapes, colours, sizes and numbers left out."""
    for kind, names in KINDS.items():
        text = re.sub(rf"\b({'|'.join(names)})\b", kind, text, flags=re.I)
    return re.sub(r"\ban? (?=SIZE|COLOUR|SHAPE)", "", text)


def test_no_training_caption_has_the_form_of_a_short_prompt() -> None:
    """Not even of one that the files happen not to ask: GenEval's six forms, with any opening or none."""
    thing, r = "(?:COLOUR )?SHAPE", "|".join(RELATIONS)
    form = re.compile(
        rf"(?:an? (?:photo|picture|image) of )?(?:{thing}|{thing} and {thing}|NUMBER SHAPES|{thing} (?:{r}) {thing})"
    )
    assert all(form.fullmatch(skeleton(p.prompt)) for s in SPLITS for p in short_prompts.geneval(s))
    assert not [text for text in training() if form.fullmatch(skeleton(text))]


def test_no_sentence_of_a_dense_prompt_is_worded_as_one_of_training() -> None:
    def sentences(text: str) -> set[str]:
        return {skeleton(s).strip() for s in re.split(r"\.(?: |$)", text) if s.strip()}

    trained = {s for text in training() if "." in text for s in sentences(text)}
    asked = {s for split in SPLITS for p in dense_prompts.dense(split) for s in sentences(p.text)}
    assert len(asked) > 30
    assert not asked & trained


def test_training_has_the_words_with_which_short_prompts_begin() -> None:
    for opening in ("a photo of ", "a picture of ", "an image of "):
        assert sum(text.startswith(opening) for text in training()) > 300


@pytest.mark.parametrize("seed", [STREAM, 29, 19])
def test_no_training_caption_names_what_is_held_out(seed: int) -> None:
    index = np.arange(3000)
    scenes = draw(seed, index)
    assert not any(unseen(what, CAPTIONED) for what in said(scenes, seed, index))
    pairs = {f"{COLOUR_NAMES[c]} {SHAPES[s]}" for s, c in np.argwhere(CAPTIONED.colours)}
    named = " ".join(captions(scenes, seed, index, (0.0, 0.0, 1.0)))
    assert not [pair for pair in pairs if re.search(rf"\b{pair}\b", named)]


def test_pictures_alone_may_show_what_captions_may_not() -> None:
    scenes = draw(11, np.arange(2000), held=PICTURES)
    assert scenes.free_of(PICTURES).all()
    assert not scenes.seen.all()
    for name in ("colours", "pairs", "counts", "relations"):
        held, fewer = getattr(CAPTIONED, name), getattr(PICTURES, name)
        assert (held | fewer == held).all()  # a superset


def test_about_half_of_the_compositional_prompts_are_unseen() -> None:
    for split in SPLITS:
        everything = short_prompts.geneval(split)
        for task in short_prompts.TASKS[1:]:
            own = [p.seen for p in everything if p.tag == task]
            assert 0.4 < 1 - np.mean(own) < 0.6, task
        assert np.mean([p.seen for p in dense_prompts.dense(split)]) == 0.5
