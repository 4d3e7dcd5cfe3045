"""DPG-Bench: yes-or-no answers to a graph of questions; a question scores 0 when one that it depends on does.

Mode `fixed` is the rule as described. `official` is what the published scorer computes, with the errors that move a
score: the file's first question is lost, zeros run once through the questions in the file's order, a prompt that
depends on the lost question is dropped, categories are the last picture's before zeroing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from headtohead.config.run_config import ExamConfig
from headtohead.eval.benchmarks import base, published
from headtohead.eval.benchmarks.base import Item, PictureFile
from headtohead.eval.folders import images, score
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.resume import How
from headtohead.eval.judges import vqa
from headtohead.eval.metrics.base import Counted, doubles
from headtohead.records.metrics import CATEGORIES
from headtohead.synthetic.prompts import dense_prompts
from headtohead.synthetic.prompts.short_prompts import Split

Row = Mapping[str, str]  # one line of the CSV
Mode = Literal["official", "fixed"]


class Lost(ValueError):
    """A question depends on one that was not asked, or none was: the official scorer drops its prompt."""


@dataclass(frozen=True)
class Graded:
    """One picture's questions with what each scored, before and after zeroing."""

    points: dict[int, float]  # by proposition
    raw: dict[int, float]
    detailed: dict[int, str]  # the category, such as "attribute - color"

    @property
    def score(self) -> float:
        return float(np.mean(list(self.points.values())))


def parents(row: Row) -> tuple[int, ...]:
    """The propositions that a question depends on; 0 stands for none."""
    return tuple(int(p) for p in row["dependency"].split(",") if int(p) != 0)


def detailed(row: Row) -> str:
    """A question's category, with its subcategory where it has one."""
    return row["tuple"].split("(")[0].strip()


def broad(category: str) -> str:
    return category.split("-")[0].strip()


def grade(rows: Sequence[Row], answers: Sequence[str], mode: Mode = "fixed") -> Graded:
    """Exactly `yes` scores 1; a question is zeroed when one that it depends on scored 0."""
    if not rows:
        raise Lost("its only question is the lost one")
    raw = {int(row["proposition_id"]): float(a == "yes") for row, a in zip(rows, answers, strict=True)}
    above = {int(row["proposition_id"]): parents(row) for row in rows}
    points = _one_pass(raw, above) if mode == "official" else _cascade(raw, above, rows[0]["item_id"])
    return Graded(points, raw, {int(row["proposition_id"]): detailed(row) for row in rows})


def _cascade(raw: dict[int, float], above: dict[int, tuple[int, ...]], item: str) -> dict[int, float]:
    """Any ancestor that failed, wherever it stands in the file, or that was never asked."""

    def holds(number: int, below: frozenset[int] = frozenset()) -> bool:
        if number in below:
            raise ValueError(f"question {number} of {item} depends on itself")
        return raw.get(number, 0.0) == 1 and all(holds(p, below | {number}) for p in above.get(number, ()))

    return {number: float(holds(number)) for number in raw}


def _one_pass(raw: dict[int, float], above: dict[int, tuple[int, ...]]) -> dict[int, float]:
    """In the file's order: a parent that stands below its child has not been zeroed yet."""
    points = dict(raw)
    for number, own in above.items():
        for parent in own:
            if parent not in points:
                raise Lost(f"question {number} hangs on question {parent}, which was not asked")
            if points[parent] == 0:
                points[number] = 0.0
                break
    return points


class DpgScore(Counted):
    """DPG-Bench's scores in [0, 1]: a mean over questions for each category, and `overall`.

    overall is the mean over questions, then over a prompt's pictures, then over prompts.

    categories  that are listed, such as "entity", or "attribute - color" for a subcategory
    mode        of the grades: official ones give categories the last picture's answers before zeroing
    """

    points: Tensor
    questions: Tensor

    def __init__(self, categories: Iterable[str] = CATEGORIES, mode: Mode = "fixed", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.categories, self.mode = sorted(set(categories)), mode
        self.sums("points", "questions", shape=[len(self.categories)])
        self.lists("prompts")

    def update(self, graded: Sequence[Graded], a_prompt: int = 1) -> None:
        """Take whole prompts: the `a_prompt` pictures of a prompt follow one another."""
        prompts = [graded[k : k + a_prompt] for k in range(0, len(graded), a_prompt)]
        self.append("prompts", [np.mean([g.score for g in pictures]) for pictures in prompts])
        right, asked = Counter[str](), Counter[str]()
        for g in (g for own in prompts for g in (own[-1:] if self.mode == "official" else own)):
            for number, points in (g.raw if self.mode == "official" else g.points).items():
                for name in {broad(g.detailed[number]), g.detailed[number]}:
                    right[name] += int(points)
                    asked[name] += 1
        self.points += torch.tensor([right[name] for name in self.categories], device=self.device)
        self.questions += torch.tensor([asked[name] for name in self.categories], device=self.device)

    def compute(self) -> dict[str, Tensor]:
        rows = zip(self.categories, self.points.tolist(), self.questions.tolist(), strict=True)
        shares = {name: points / number for name, points, number in rows if number}
        return doubles({**shares, "overall": np.mean(self.joined("prompts"))})


COLUMNS = ("item_id", "proposition_id", "dependency", "tuple", "question_natural_language")


def questions(path: Path) -> dict[str, tuple[Row, ...]]:
    """By item, in the file's order."""
    out: dict[str, list[Row]] = {}
    for place, row in images.table(path, COLUMNS):
        for column in ("proposition_id", "dependency"):
            parts = row[column].split(",") if column == "dependency" else [row[column]]
            if not all(part.strip().isdecimal() for part in parts):
                raise FolderError(f"{place}: {column}: {row[column]!r} is no whole number")
        row["proposition_id"] = str(int(row["proposition_id"]))
        if row["proposition_id"] == "0":
            raise FolderError(f"{place}: proposition_id: 0 stands for no parent")
        own = out.setdefault(row["item_id"], [])
        if row["proposition_id"] in {other["proposition_id"] for other in own}:
            raise FolderError(f"{place}: proposition_id {row['proposition_id']} of {row['item_id']} stands there twice")
        own.append(row)
    if not out:
        raise FolderError(f"{path}: holds no questions")
    for item, rows in out.items():
        _acyclic(rows, f"{path}: {item}")
    return {item: tuple(own) for item, own in out.items()}


def _acyclic(rows: list[Row], place: str) -> None:
    try:
        TopologicalSorter({int(row["proposition_id"]): parents(row) for row in rows}).prepare()
    except CycleError as error:
        circle = " -> ".join(str(number) for number in error.args[1])
        raise FolderError(f"{place}: dependency: questions hang on themselves ({circle})") from None


class Dpg(base.Benchmark):
    name, setting, published, rank = "dpg", "dpg", published.DPG_PROMPTS, 1

    def synthetic(self, split: Split, pictures: int = 0) -> list[Item]:
        items = synthetic_prompts(split)
        return base.spread(items, pictures) if pictures else items

    def read(self, path: Path) -> list[Item]:
        return [Item(item, rows[0].get("text", ""), rows, self.name) for item, rows in questions(path).items()]

    def pictures(self, exam: ExamConfig) -> int:
        return published.A_PROMPT

    def files(self, k: int, item: Item, exam: ExamConfig) -> list[PictureFile]:
        return [PictureFile(f"dpg/{item.id}.png", item.prompt, 100_000 + published.A_PROMPT * k, published.A_PROMPT)]

    def judges(self, exam: ExamConfig, device: str) -> dict[str, Any]:
        return {"answerer": vqa.load(exam.answerer, device)}

    def judge(self, items: Sequence[Item], pictures: Tensor, judges: base.Judges) -> list[Graded]:
        asked = [[row["question_natural_language"] for row in item.rule] for item in items]
        answers = judges["answerer"].answers(pictures, asked)
        return [grade(item.rule, said) for item, said in zip(items, answers, strict=True)]

    def metric(self, items: Sequence[Item] = (), **kwargs: Any) -> DpgScore:
        found = {broad(detailed(row)) for item in items for row in item.rule}
        return DpgScore(found or CATEGORIES, **kwargs)

    def score_files(
        self, listed: base.Listed, judges: base.Judges, exam: ExamConfig, how: How, cache: Path
    ) -> list[Result]:
        return score.by_answers(self, listed, judges["answerer"], tiles=published.A_PROMPT, modes=("fixed",), how=how)

    def by_prompt(
        self, prompts: Sequence[Sequence[Graded]], mode: Mode = "fixed", *, subcategories: bool = False
    ) -> dict[str, float]:
        """Of the pictures of each prompt."""
        names = {name for own in prompts for g in own for name in g.detailed.values()}
        metric = DpgScore({broad(n) for n in names} | (names if subcategories else set()), mode, sync_on_compute=False)
        for own in prompts:
            metric.update(own, len(own))
        return metric.values()

    def graded(
        self, items: Sequence[Item], answers: Mapping[str, Any], first: str, mode: Mode
    ) -> tuple[dict[str, list[Graded]], list[str]]:
        """Grades of each prompt's pictures, and which prompts the official scorer drops.

        answers  by item: a list for each picture, one answer a question
        first    the file's first item, of which the official scorer loses a question
        """
        out, dropped = dict[str, list[Graded]](), list[str]()
        for item in items:
            lost = 1 if mode == "official" and item.id == first else 0
            try:
                out[item.id] = [grade(item.rule[lost:], said[lost:], mode) for said in answers[item.id]]
            except Lost as error:
                dropped.append(f"{item.id} is dropped, as the official scorer does: {error}")
        return out, dropped

    def differences(self, r: Result) -> Iterator[str]:
        yield f"the published judge is mPLUG-large, not {r.judge['answerer']['name']}"
        if r.mode != "official":
            yield "published scores hold the official scorer's errors"
        if r.settings["tiles"] != published.A_PROMPT:
            yield f"pictures a prompt: {r.settings['tiles']}, not {published.A_PROMPT}"
        if len(r.prompts) != published.DPG_PROMPTS:
            yield f"{len(r.prompts):,} prompts, not {published.DPG_PROMPTS:,}"


@cache
def synthetic_prompts(split: Split) -> list[Item]:
    """DPG-Bench's prompts about the embedded dataset."""
    return [Item(p.item_id, p.text, tuple(p.rows()), "dpg", p.seen, p.request) for p in dense_prompts.dense(split)]


DPG = Dpg()
