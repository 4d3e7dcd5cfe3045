"""What probes read: states that hold an attribute, and states that do not; which captions count."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headtohead.eval.foundations.linear_probe import accuracy, accuracy_by_least_squares
from headtohead.eval.foundations.readability import Question, prompt_states, questions, reading
from headtohead.synthetic.captions import captions
from headtohead.synthetic.scenes import draw
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES

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


def test_an_attribute_is_asked_of_one_object_among_others_whose_caption_names_both() -> None:
    index = np.arange(300)
    scenes = draw(5, index)
    texts = captions(scenes, 5, index, (0.0, 0.0, 1.0))
    asked = questions(scenes, texts)
    assert len(asked["colour of a shape"]) == len(SHAPES)
    assert len(asked["count"][0].rows) > 250
    for value, q in enumerate(asked["colour of a shape"]):
        for k, label in zip(q.rows, q.label, strict=True):
            (own,) = np.flatnonzero((scenes.shape[k] == value) & scenes.present[k])
            assert scenes.count[k] > 1
            assert scenes.colour[k, own] == label
            assert f"{COLOUR_NAMES[label]} {SHAPES[value]}" in texts[k]
    short = questions(scenes, captions(scenes, 5, index, (1.0, 0.0, 0.0)))
    assert not len(short["background"][0].rows)  # short captions state none


@torch.no_grad()
def test_states_depend_on_the_text_alone() -> None:
    """Not on what stands in the batch beside it, which pads it."""
    texts = [*captions(draw(6, np.arange(20)), 6, np.arange(20), (0.0, 0.0, 1.0)), "a star"]
    together, apart = prompt_states(texts, batch=21), prompt_states(texts, batch=1)
    for name, states in together.items():
        assert states.shape == (21, 192)
        assert torch.allclose(states, apart[name], atol=2e-3)
