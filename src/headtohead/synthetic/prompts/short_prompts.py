"""GenEval prompts of the synthetic dataset: the six tasks in GenEval's file format, split into dev and test.

Where there are few prompts (8 shapes, 24 counts), dev and test differ in wording; elsewhere in content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from headtohead.synthetic.captions.words import article, plural
from headtohead.synthetic.scenes import FREE, Request
from headtohead.synthetic.splits import CAPTIONED
from headtohead.synthetic.vocabulary import COLOUR_NAMES, COUNT_WORDS, SHAPES
from headtohead.utils import random
from headtohead.utils.boxes import RELATIONS

Split = Literal["dev", "test"]
TASKS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
WORDINGS: dict[Split, tuple[str, str]] = {"test": ("a photo of ", ""), "dev": ("a picture of ", "an image of ")}
COLOUR_PAIRS = 120  # color_attr prompts of a split, of thousands that there are
UNSEEN_SHARE = 0.5  # of them
FOLDER = Path(__file__).parent / "files"  # as they ship: <split>/geneval.jsonl and <split>/dpg.csv


@dataclass(frozen=True)
class Prompt:
    """One line of a GenEval file; `seen` says whether training shows what it names."""

    tag: str
    include: tuple[dict[str, Any], ...]
    prompt: str
    seen: bool
    exclude: tuple[dict[str, Any], ...] = ()

    def line(self) -> dict[str, Any]:
        out: dict[str, Any] = {"tag": self.tag, "include": list(self.include)}
        if self.exclude:
            out["exclude"] = list(self.exclude)
        return {**out, "prompt": self.prompt, "seen": self.seen}

    @staticmethod
    def of(line: dict[str, Any]) -> Prompt:
        return Prompt(
            line["tag"], tuple(line["include"]), line["prompt"], line.get("seen", True), tuple(line.get("exclude", ()))
        )


def _item(shape: int, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": SHAPES[shape], "count": count, **more}


def geneval(split: Split) -> list[Prompt]:
    """The GenEval prompts of a split, task by task."""
    return [p for task in TASKS for p in globals()[f"_{task}"](split)]


def _single_object(split: Split) -> Iterator[Prompt]:
    for s, name in enumerate(SHAPES):
        for opening in WORDINGS[split]:
            yield Prompt("single_object", (_item(s),), opening + article(name), True)


def _two_object(split: Split) -> Iterator[Prompt]:
    for a, b in permutations(range(len(SHAPES)), 2):
        for opening in WORDINGS[split]:
            text = f"{opening}{article(SHAPES[a])} and {article(SHAPES[b])}"
            yield Prompt("two_object", (_item(a), _item(b)), text, not CAPTIONED.pairs[a, b])


def _counting(split: Split) -> Iterator[Prompt]:
    for s, name in enumerate(SHAPES):
        for n in (2, 3, 4):
            for opening in WORDINGS[split]:
                text = f"{opening}{COUNT_WORDS[n]} {plural(name)}"
                yield Prompt("counting", (_item(s, n),), text, not CAPTIONED.counts[s, n], (_item(s, n + 1),))


def _colors(split: Split) -> Iterator[Prompt]:
    for s, name in enumerate(SHAPES):
        for c, colour in enumerate(COLOUR_NAMES):
            for opening in WORDINGS[split]:
                text = opening + article(f"{colour} {name}")
                yield Prompt("colors", (_item(s, color=colour),), text, not CAPTIONED.colours[s, c])


def _position(split: Split) -> Iterator[Prompt]:
    # A checkerboard over (a, relation, b): half of them for each split, every relation and shape in both.
    for k, (a, b) in enumerate(permutations(range(len(SHAPES)), 2)):
        for r, relation in enumerate(RELATIONS):
            if (k + r) % 2 == (split == "dev"):
                text = f"{WORDINGS[split][0]}{article(SHAPES[a])} {relation} {article(SHAPES[b])}"
                seen = not (CAPTIONED.pairs[a, b] or CAPTIONED.relations[a, r, b])
                yield Prompt("position", (_item(b), _item(a, position=[relation, 0])), text, seen)


def _color_attr(split: Split) -> Iterator[Prompt]:
    s, c = len(SHAPES), len(COLOUR_NAMES)
    options = np.array([(a, ca, b, cb) for a, b in permutations(range(s), 2) for ca, cb in permutations(range(c), 2)])
    a, ca, b, cb = options.T
    unseen = CAPTIONED.colours[a, ca] | CAPTIONED.colours[b, cb] | CAPTIONED.pairs[a, b]
    order = np.argsort(random.uniform(random.keys(0, np.arange(len(options)), 5), 1)[:, 0])
    part = order[int(split == "dev") :: 2]  # every other one: the two splits share none
    many = round(COLOUR_PAIRS * UNSEEN_SHARE)
    chosen = np.concatenate([part[~unseen[part]][: COLOUR_PAIRS - many], part[unseen[part]][:many]])
    for k in chosen:
        x, y = COLOUR_NAMES[ca[k]], COLOUR_NAMES[cb[k]]
        text = f"{WORDINGS[split][0]}{article(f'{x} {SHAPES[a[k]]}')} and {article(f'{y} {SHAPES[b[k]]}')}"
        include = (_item(int(a[k]), color=x), _item(int(b[k]), color=y))
        yield Prompt("color_attr", include, text, not unseen[k])


def request(prompt: Prompt) -> Request:
    """The scenes that a prompt describes: the attributes it names, everything else free."""
    shape: list[int] = []
    colour: list[int] = []
    first: list[int] = []
    holds = []
    for item in prompt.include:
        first.append(len(shape))
        shape += [SHAPES.index(item["class"])] * item["count"]
        colour += [COLOUR_NAMES.index(item["color"]) if "color" in item else FREE] * item["count"]
        if "position" in item:
            relation, target = item["position"]
            holds.append((first[-1], RELATIONS.index(relation), first[target]))
    return Request(tuple(shape), tuple(colour), relations=tuple(holds))


def write(path: Path, prompts: list[Prompt]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(p.line()) + "\n" for p in prompts))


def read(path: Path) -> list[Prompt]:
    return [Prompt.of(json.loads(line)) for line in path.read_text().splitlines()]
