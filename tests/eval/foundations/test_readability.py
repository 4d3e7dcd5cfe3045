"""What probes read: states that hold an attribute, and states that do not; which captions count."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headtohead.eval.foundations.linear_probe import accuracy, accuracy_by_least_squares
from headtohead.eval.foundations.readability import Question, prompt_states, questions, reading
from headtohead.synthetic.captions.said import said
from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.scenes import draw
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, COUNT_WORDS, SHAPES

N = 1200


def made(rng: np.random.Generator, label: np.ndarray) -> torch.Tensor:
    """States in which a label stands, linearly, among noise."""
    return torch.from_numpy(3 * np.eye(8)[label] @ rng.normal(size=(8, 24)) + rng.normal(size=(N, 24))).float()


def test_what_is_there_is_read_and_what_is_not_is_not() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(8, size=N)
    states = {"holds it": made(rng, label), "holds nothing": torch.from_numpy(rng.normal(size=(N, 24))).float()}
    row = reading(states, [Question(np.arange(N), label)], N // 2)
    assert row["holds it"] > 0.95
    assert row["holds it, labels shuffled"] < 0.25
    assert row["holds nothing"] < 0.25
    assert row["most frequent label"] == pytest.approx(1 / 8, abs=0.04)
    assert row["n"] == N // 2


@pytest.mark.parametrize("probe", [accuracy, accuracy_by_least_squares])
def test_both_probes_read_the_same(probe: object) -> None:
    rng = np.random.default_rng(1)
    label = rng.integers(8, size=N)
    x, y = made(rng, label), torch.from_numpy(label)
    assert probe(x[:600], y[:600], x[600:], y[600:]) > 0.95  # type: ignore[operator]


def test_an_attribute_is_asked_of_one_thing_among_others_whose_caption_says_it() -> None:
    index = np.arange(3000)
    scenes = draw(5, index)
    whats, texts = said(scenes, 5, index), captions(scenes, 5, index, (0.0, 0.0, 1.0))
    asked = questions(whats)
    assert len(asked["colour of a shape"]) == len(SHAPES)
    for value, q in enumerate(asked["colour of a shape"]):
        assert len(q.rows) > 50
        for k, label in zip(q.rows, q.label, strict=True):
            assert sum(t.shape == value for t in whats[k].things) == 1 < len(whats[k].things)
            assert f"{COLOUR_NAMES[label]} {SHAPES[value]}" in texts[k]
    (number,), (ground,) = asked["count"], asked["background"]
    assert all(f"{COUNT_WORDS[n]} shapes" in texts[k].lower() for k, n in zip(number.rows, number.label, strict=True))
    assert all(BACKGROUND_NAMES[g] in texts[k] for k, g in zip(ground.rows, ground.label, strict=True))
    unasked = np.setdiff1d(index, ground.rows)
    assert not any(name in texts[k] for k in unasked for name in BACKGROUND_NAMES)
    assert all(whats[k].place is not None for q in asked["half of a shape"] for k in q.rows)


@torch.no_grad()
def test_states_depend_on_the_text_alone() -> None:
    """Not on what stands in the batch beside it, which pads it."""
    texts = [*captions(draw(6, np.arange(20)), 6, np.arange(20), (0.0, 0.0, 1.0)), "a star"]
    together, apart = prompt_states(texts, batch=21), prompt_states(texts, batch=1)
    for name, states in together.items():
        assert states.shape == (21, 256)
        assert torch.allclose(states, apart[name], atol=2e-3)
