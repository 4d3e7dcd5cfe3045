"""DPG-Bench prompts of the synthetic dataset: dense captions with graphs of questions, in DPG-Bench's CSV format.

Prompts say what training captions say, as often, in wordings that training does not have; no question asks for more.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.captions.said import NUMBERS, Facts, Said, said_of, uniform
from headtohead.synthetic.captions.templates import EXAM
from headtohead.synthetic.captions.truth import request, unseen
from headtohead.synthetic.captions.write import Writer
from headtohead.synthetic.prompts import questions
from headtohead.synthetic.prompts.short_prompts import Split
from headtohead.synthetic.scenes import FREE, Request, Scenes, draw
from headtohead.synthetic.splits import CAPTIONED, NOTHING
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, HALVES, SHAPES, SIZE_NAMES
from headtohead.utils.boxes import RELATIONS

NUMBER, UNSEEN = 120, 60  # prompts of a split, and those among them with a held-out combination
LEAST = 4  # questions of a prompt
CANDIDATES = 1500  # scenes of each kind from whose captions the prompts are chosen
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
    """The prompts of a split, first the seen ones. Of those, an unseen one each names as many things."""
    seed, index = SEEDS[split], np.arange(CANDIDATES)
    seen = _candidates(draw(seed, index), seed, index)[: NUMBER - UNSEEN]
    anything = _candidates(draw(seed, CANDIDATES + index, held=NOTHING), seed, CANDIDATES + index)
    others = [c for c in anything if unseen(c[0], CAPTIONED)]
    chosen = list(seen)
    for what, _ in seen[:UNSEEN]:
        chosen.append(others.pop(next(k for k, c in enumerate(others) if len(c[0].things) == len(what.things))))
    return [
        DensePrompt(f"{split}_{k:04d}", text, k < len(seen), tuple(propositions(what)), request(what))
        for k, (what, text) in enumerate(chosen)
    ]


def _candidates(scenes: Scenes, seed: int, index: NDArray[np.int64]) -> list[tuple[Said, str]]:
    """What captions say and their texts, where a shape names one thing and enough is asked."""
    out, facts = [], Facts.of(scenes)
    for row, u in enumerate(uniform(seed, index, 2 * NUMBERS).tolist()):
        what = said_of(facts, row, u)
        distinct = len({t.shape for t in what.things}) == len(what.things)
        if distinct and len(propositions(what)) >= LEAST:
            out.append((what, Writer(what, facts.count[row], u[NUMBERS:]).dense(EXAM)))
    return out


def propositions(what: Said) -> list[Proposition]:
    """A question for everything that is said, and for nothing else."""
    out: list[Proposition] = []

    def add(parents: tuple[int, ...], category: str, fact: str, question: str) -> int:
        out.append(Proposition(len(out) + 1, parents, category, fact, question))
        return len(out)

    names = [SHAPES[t.shape] for t in what.things]
    entity = [add((), "entity - whole", name, questions.is_there(name)) for name in names]
    for name, parent, thing in zip(names, entity, what.things, strict=True):
        has = questions.has_attribute if thing.single else questions.are_all
        if not thing.single:
            n = len(thing.objects)
            add((parent,), "other - count", f"{name}, =={n}", questions.how_many(name, n))
        if thing.colour != FREE:
            colour = COLOUR_NAMES[thing.colour]
            add((parent,), "attribute - color", f"{name}, {colour}", has(name, colour))
        if thing.size != FREE:
            size = SIZE_NAMES[thing.size]
            add((parent,), "attribute - size", f"{name}, {size}", has(name, size))
    if what.place is not None:
        k, half = what.place
        add((entity[k],), "relation - place", f"{names[k]}, {HALVES[half]}", questions.is_at(names[k], HALVES[half]))
    if what.relation is not None:
        a, r, b = what.relation
        fact = f"{names[a]}, {names[b]}, {RELATIONS[r]}"
        add((entity[a], entity[b]), "relation - spatial", fact, questions.stands(names[a], RELATIONS[r], names[b]))
    if what.background != FREE:
        ground = BACKGROUND_NAMES[what.background]
        add((), "global - background", ground, questions.background(ground))
    if what.number != FREE:
        add((), "other - count", f"shapes, =={what.number}", questions.how_many_shapes(what.number))
    return out


def write(path: Path, prompts: list[DensePrompt]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for prompt in prompts:
            writer.writerows(prompt.rows())
