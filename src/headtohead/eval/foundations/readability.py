"""What a language model's frozen states tell of the scene that a caption describes, read by linear probes.

Probes read two summaries of the prompt's states, between which the queries' attention can choose: the state at the
last position, and the mean over all positions. A caption names several objects, so an attribute of one is read by way
of another attribute: the colour, size and place of *the circle*, the shape of *the red one*. Naming what occurs is
therefore not enough; a probe has to find what belongs together. The control is the same probe on shuffled labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.config.run_config import FoundationsConfig, QueryConfig
from headtohead.eval.foundations.linear_probe import accuracy_by_least_squares
from headtohead.pretrained import language_model
from headtohead.records.ceilings import Row
from headtohead.synthetic.captions.said import Said, Thing, said
from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.scenes import FREE, draw
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES

SEED = 8_100_000
DENSE = (0.0, 0.0, 1.0)  # shares of caption styles: those of several sentences
CAPTIONS = 24_000  # the probes learn from the first half and are tested on the second
READINGS = ("last position", "mean of positions")


@dataclass(frozen=True)
class Question:
    """One attribute of some of the captions.

    rows   (m,) numbers of the captions that state it
    label  (m,) its value in each
    """

    rows: NDArray[np.int64]
    label: NDArray[np.int64]


def readability(device: str = "cpu", number: int = CAPTIONS) -> dict[str, Row]:
    """Accuracy on held-out captions by attribute: of each reading, of it with shuffled labels, and the share of the
    most frequent label.

    device  cpu or cuda
    number  captions
    """
    index = np.arange(number)
    scenes = draw(SEED, index)
    texts = captions(scenes, SEED, index, DENSE)
    states = prompt_states(texts, device)
    asked = questions(said(scenes, SEED, index))
    return {name: reading(states, own, number // 2) for name, own in asked.items()}


@torch.no_grad()
def prompt_states(texts: Sequence[str], device: str = "cpu", batch: int = 256) -> dict[str, Tensor]:
    """Each reading (n, W) of the shipped language model's final hidden states, standardised over the texts.

    texts   n captions
    device  cpu or cuda
    batch   texts in a forward pass
    """
    query = QueryConfig(number=1)
    model, encode = language_model.build(FoundationsConfig(), query, device)
    parts: dict[str, list[Tensor]] = {name: [] for name in READINGS}
    for start in range(0, len(texts), batch):
        ids, mask = encode([query.template.format(caption=text) for text in texts[start : start + batch]])
        ids, mask = ids.to(device), mask.to(device)
        states = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state.float()
        parts["last position"].append(states[torch.arange(len(ids)), mask.sum(1) - 1])
        parts["mean of positions"].append((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
    joined = {name: torch.cat(rows).cpu() for name, rows in parts.items()}
    return {name: (x - x.mean(0)) / x.std(0).clamp(min=1e-6) for name, x in joined.items()}


def questions(whats: Sequence[Said]) -> dict[str, list[Question]]:
    """By attribute: one question about the whole caption, or one for each value of the attribute by which an object is
    named. Only captions count that say the answer, and of objects those among others, of which one has that value.

    whats  what the captions say
    """

    def gathered(label: Callable[[Said], int]) -> Question:
        pairs = [(k, found) for k, what in enumerate(whats) if (found := label(what)) != FREE]
        rows, labels = np.array(pairs, np.int64).reshape(-1, 2).T
        return Question(rows, labels)

    def of_one(by: Callable[[Thing], int], number: int, label: Callable[[Said, int], int]) -> list[Question]:
        def at(value: int) -> Callable[[Said], int]:
            def found(what: Said) -> int:
                own = [k for k, thing in enumerate(what.things) if by(thing) == value]
                return label(what, own[0]) if len(own) == 1 and len(what.things) > 1 else FREE

            return found

        return [gathered(at(value)) for value in range(number)]

    def half(what: Said, k: int) -> int:
        return what.place[1] if what.place is not None and what.place[0] == k else FREE

    def shape(thing: Thing) -> int:
        return thing.shape

    return {
        "count": [gathered(lambda what: what.number)],
        "background": [gathered(lambda what: what.background)],
        "shape of a colour": of_one(lambda t: t.colour, len(COLOUR_NAMES), lambda what, k: what.things[k].shape),
        "colour of a shape": of_one(shape, len(SHAPES), lambda what, k: what.things[k].colour),
        "size of a shape": of_one(shape, len(SHAPES), lambda what, k: what.things[k].size),
        "half of a shape": of_one(shape, len(SHAPES), half),
    }


def reading(states: dict[str, Tensor], asked: Sequence[Question], half: int) -> Row:
    """Accuracies of probes on each kind of states: of the labels, and of shuffled ones; a mean over the questions.

    states  (n, W) by their name
    asked   questions about one attribute
    half    captions below this number are learned from, the others tested
    """
    out: dict[str, Any] = {}
    rng = np.random.default_rng(SEED)
    for name, x in states.items():
        right: dict[str, list[float]] = {name: [], f"{name}, labels shuffled": []}
        for q in asked:
            train, test = q.rows < half, q.rows >= half
            x_train, x_test, own = x[q.rows[train]], x[q.rows[test]], torch.from_numpy(q.label)
            mixed = torch.from_numpy(rng.permutation(q.label[train]))
            for key, y in zip(right, (own[train], mixed), strict=True):
                right[key].append(accuracy_by_least_squares(x_train, y, x_test, own[test]))
        out |= {key: float(np.mean(values)) for key, values in right.items()}
    tests = [q.label[q.rows >= half] for q in asked]
    out["most frequent label"] = float(np.mean([np.bincount(y).max() / len(y) for y in tests]))
    out["n"] = sum(map(len, tests))
    return out
