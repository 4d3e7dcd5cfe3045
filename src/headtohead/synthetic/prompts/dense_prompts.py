"""DPG-Bench prompts of the synthetic dataset: dense captions with graphs of questions, in DPG-Bench's CSV format."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headtohead.synthetic.captions import Captioner, place
from headtohead.synthetic.prompts import questions
from headtohead.synthetic.prompts.short_prompts import Split
from headtohead.synthetic.scenes import Request, Scenes, draw
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, PLACES, SHAPES, SIZE_NAMES
from headtohead.utils import random
from headtohead.utils.boxes import RELATIONS, relations

NUMBER, UNSEEN = 120, 36  # prompts of a split, and those among them with a held-out combination
SEEDS: dict[Split, int] = {"dev": 5_000_001, "test": 5_000_002}
COLUMNS = (
    "item_id",
    "text",
    "keywords",
    "proposition_id",
    "dependency",
    "category_broad",
    "category_detailed",
    "tuple",
    "question_natural_language",
)


@dataclass(frozen=True)
class Proposition:
    """One question; it counts only if the propositions `parents` hold."""

    number: int
    parents: tuple[int, ...]
    category: str  # as in "attribute - color"
    fact: str  # as in "circle, red"
    question: str

    def tuple_text(self) -> str:
        return f"{self.category} ({self.fact})"


@dataclass(frozen=True)
class DensePrompt:
    """A prompt with its propositions; `request` draws pictures that fulfil it."""

    item_id: str
    text: str
    seen: bool
    propositions: tuple[Proposition, ...]
    request: Request

    def rows(self) -> list[dict[str, str]]:
        """One row of the CSV per proposition."""
        return [
            {
                "item_id": self.item_id,
                "text": self.text,
                "keywords": "seen" if self.seen else "unseen",
                "proposition_id": str(p.number),
                "dependency": ",".join(map(str, p.parents)) or "0",
                "category_broad": p.category.split(" - ")[0],
                "category_detailed": p.category.split(" - ")[-1],
                "tuple": p.tuple_text(),
                "question_natural_language": p.question,
            }
            for p in self.propositions
        ]


def dense(split: Split) -> list[DensePrompt]:
    """The prompts of a split: dense captions of scenes whose shapes all differ, so that a shape names one object."""
    index = np.arange(12 * NUMBER)
    seed = SEEDS[split]
    scenes = draw(seed, index, held_out=True)
    ordered = np.where(scenes.present, scenes.shape, -1 - np.arange(scenes.shape.shape[1]))
    distinct = np.array([len(set(row)) == len(row) for row in ordered.tolist()])
    seen = scenes.seen
    chosen = [*np.flatnonzero(distinct & seen)[: NUMBER - UNSEEN], *np.flatnonzero(distinct & ~seen)[:UNSEEN]]
    u = random.uniform(random.keys(seed, index, 1), 24)
    return [_prompt(f"{split}_{k:04d}", scenes, row, u[row], bool(seen[row])) for k, row in enumerate(chosen)]


def _prompt(item_id: str, scenes: Scenes, row: int, u: np.ndarray, seen: bool) -> DensePrompt:
    captioner = Captioner(scenes, row, u)
    text = captioner.dense()
    n = int(scenes.count[row])
    order = np.argsort(scenes.centre[row, :n, 0], kind="stable")
    shape, colour, size = (tuple(int(v) for v in a[row, order]) for a in (scenes.shape, scenes.colour, scenes.size))
    where = tuple(place(c) for c in scenes.centre[row, order])
    boxes = scenes.boxes[row, order]
    related = [
        (a, r, b)
        for a in range(n)
        for b in range(n)
        for r in np.flatnonzero(relations(boxes[a], boxes[b])).tolist()
        if a != b and f"The {captioner.coloured(a)} is {RELATIONS[r]} the {captioner.coloured(b)}." in text
    ]
    request = Request(shape, colour, size, where, int(scenes.background[row]), tuple(related))
    return DensePrompt(item_id, text, seen, tuple(_propositions(request)), request)


def _propositions(r: Request) -> list[Proposition]:
    out: list[Proposition] = []

    def add(parents: tuple[int, ...], category: str, fact: str, question: str) -> int:
        out.append(Proposition(len(out) + 1, parents, category, fact, question))
        return len(out)

    names = [SHAPES[s] for s in r.shape]
    entity = [add((), "entity - whole", name, questions.is_there(name)) for name in names]
    for name, parent, c, s, p in zip(names, entity, r.colour, r.size, r.place, strict=True):
        add(
            (parent,), "attribute - color", f"{name}, {COLOUR_NAMES[c]}", questions.has_attribute(name, COLOUR_NAMES[c])
        )
        add((parent,), "attribute - size", f"{name}, {SIZE_NAMES[s]}", questions.has_attribute(name, SIZE_NAMES[s]))
        add((parent,), "relation - place", f"{name}, {PLACES[p]}", questions.is_at(name, PLACES[p]))
    for a, k, b in r.relations:
        fact = f"{names[a]}, {names[b]}, {RELATIONS[k]}"
        add((entity[a], entity[b]), "relation - spatial", fact, questions.stands(names[a], RELATIONS[k], names[b]))
    ground = BACKGROUND_NAMES[r.background]
    add((), "global - background", ground, questions.background(ground))
    add((), "other - count", f"shapes, =={len(names)}", questions.how_many_shapes(len(names)))
    return out


def write(path: Path, prompts: list[DensePrompt]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for prompt in prompts:
            writer.writerows(prompt.rows())
