"""DPG-Bench's scoring: yes-or-no answers to a graph of questions, where a failed parent zeroes what hangs on it.

Two modes. `fixed` is the rule as it is described. `official` is what the published scorer computes, with those of its
errors that move a score: the first question of the file is lost, zeros run once through the questions in the order of
the file, a prompt whose question hangs on a lost one is dropped, categories are the last picture's before zeroing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from headtohead.eval.folders import images
from headtohead.eval.folders.images import FolderError
from headtohead.eval.judges.base import Answerer

Row = Mapping[str, str]  # one line of the CSV
Mode = Literal["official", "fixed"]


class Lost(ValueError):
    """A question hangs on one that was not asked, or none was: the official scorer drops its prompt."""


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
    """The propositions a question hangs on; 0 stands for none."""
    return tuple(int(p) for p in row["dependency"].split(",") if int(p) != 0)


def detailed(row: Row) -> str:
    """A question's category, with its subcategory where it has one."""
    return row["tuple"].split("(")[0].strip()


def broad(category: str) -> str:
    return category.split("-")[0].strip()


def grade(rows: Sequence[Row], answers: Sequence[str], mode: Mode = "fixed") -> Graded:
    """Exactly `yes` scores 1; a question is zeroed when one that it hangs on scored 0."""
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


def judge(prompts: Sequence[Sequence[Row]], pictures: Tensor, answerer: Answerer) -> list[Graded]:
    """One grade a picture; picture k answers the rows of prompt k."""
    answers = answerer.answers(pictures, [[row["question_natural_language"] for row in rows] for rows in prompts])
    return [grade(rows, said) for rows, said in zip(prompts, answers, strict=True)]


def scores(graded: Iterable[Graded]) -> dict[str, float]:
    """Of prompts with one picture each."""
    return by_prompt([[g] for g in graded])


def by_prompt(
    prompts: Iterable[Sequence[Graded]], mode: Mode = "fixed", *, subcategories: bool = False
) -> dict[str, float]:
    """In [0, 1]. Overall: mean over questions, then a prompt's pictures, then prompts; categories: over questions."""
    prompts = list(prompts)
    by: dict[str, list[float]] = {}
    for pictures in prompts:
        for g in pictures[-1:] if mode == "official" else pictures:
            for number, points in (g.raw if mode == "official" else g.points).items():
                name = g.detailed[number]
                for key in {broad(name), name} if subcategories else {broad(name)}:
                    by.setdefault(key, []).append(points)
    return {
        **{name: float(np.mean(by[name])) for name in sorted(by)},
        "overall": float(np.mean([np.mean([g.score for g in pictures]) for pictures in prompts])),
    }


COLUMNS = ("item_id", "proposition_id", "dependency", "tuple", "question_natural_language")


def questions(path: Path) -> dict[str, tuple[Row, ...]]:
    """By item, in the file's order."""
    table = csv.DictReader(io.StringIO(images.text(path), newline=""))
    out: dict[str, list[Row]] = {}
    try:
        if missing := [c for c in COLUMNS if c not in (table.fieldnames or ())]:
            raise FolderError(f"{path}: no column {missing[0]}")
        for row in table:
            _checked(row, f"{path}: line {table.line_num}")
            own = out.setdefault(row["item_id"], [])
            if row["proposition_id"] in {other["proposition_id"] for other in own}:
                told = f"proposition_id {row['proposition_id']} of {row['item_id']} stands there twice"
                raise FolderError(f"{path}: line {table.line_num}: {told}")
            own.append({name: value for name, value in row.items() if isinstance(value, str)})
    except csv.Error as error:
        raise FolderError(f"{path}: line {table.line_num + 1}: {error}") from None
    if not out:
        raise FolderError(f"{path}: holds no questions")
    for item, rows in out.items():
        _acyclic(rows, f"{path}: {item}")
    return {item: tuple(own) for item, own in out.items()}


def _checked(row: dict[str, str | None], place: str) -> None:
    for column in COLUMNS:
        if not (row[column] or "").strip():
            raise FolderError(f"{place}: {column} is missing")
    if None in row:
        raise FolderError(f"{place}: holds more fields than there are columns")
    for column in ("proposition_id", "dependency"):
        told = (row[column] or "").split(",") if column == "dependency" else [row[column] or ""]
        if not all(part.strip().isdecimal() for part in told):
            raise FolderError(f"{place}: {column}: {row[column]!r} is no whole number")
    row["proposition_id"] = str(int(row["proposition_id"] or ""))
    if row["proposition_id"] == "0":
        raise FolderError(f"{place}: proposition_id: 0 stands for no parent")


def _acyclic(rows: list[Row], place: str) -> None:
    """Before anything is answered: such questions have no score."""
    try:
        TopologicalSorter({int(row["proposition_id"]): parents(row) for row in rows}).prepare()
    except CycleError as error:
        circle = " -> ".join(str(number) for number in error.args[1])
        raise FolderError(f"{place}: dependency: questions hang on themselves ({circle})") from None
