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
from headtohead.synthetic.captions import captions, place
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, COUNT_WORDS, PLACES, SHAPES, SIZE_NAMES

SEED = 8_100_000
DENSE = (0.0, 0.0, 1.0)  # shares of caption styles: long ones, which state every attribute
CAPTIONS = 6000  # the probes learn from the first half and are tested on the second
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
    return {name: reading(states, asked, number // 2) for name, asked in questions(scenes, texts).items()}


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


def questions(scenes: Scenes, texts: Sequence[str]) -> dict[str, list[Question]]:
    """By attribute: one question about the whole scene, or one for each value of the attribute by which an object is
    named. Only captions count in which one object has that value and whose text has the words of both.

    scenes  described
    texts   their captions
    """

    def whole(label: NDArray[np.int64], names: Sequence[str]) -> list[Question]:
        rows = np.array([k for k, text in enumerate(texts) if names[int(label[k])] in text], np.int64)
        return [Question(rows, label[rows])]

    def of_one(
        by: NDArray[np.int64], keys: Sequence[str], label: Callable[[int, int], int], names: Sequence[str]
    ) -> list[Question]:
        out = []
        for value, word in enumerate(keys):
            pairs = []
            for k in map(int, np.flatnonzero(((by == value) & scenes.present).sum(1) == 1)):
                found = label(k, int(np.flatnonzero((by[k] == value) & scenes.present[k])[0]))
                if scenes.count[k] > 1 and word in texts[k] and names[found] in texts[k]:
                    pairs.append((k, found))
            rows, labels = np.array(pairs, np.int64).reshape(-1, 2).T
            out.append(Question(rows, labels))
        return out

    def third(k: int, j: int) -> int:
        return place(scenes.centre[k, j])

    return {
        "count": whole(scenes.count, COUNT_WORDS),
        "background": whole(scenes.background, BACKGROUND_NAMES),
        "shape of a colour": of_one(scenes.colour, COLOUR_NAMES, lambda k, j: int(scenes.shape[k, j]), SHAPES),
        "colour of a shape": of_one(scenes.shape, SHAPES, lambda k, j: int(scenes.colour[k, j]), COLOUR_NAMES),
        "size of a shape": of_one(scenes.shape, SHAPES, lambda k, j: int(scenes.size[k, j]), SIZE_NAMES),
        "place of a shape": of_one(scenes.shape, SHAPES, third, PLACES),
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
