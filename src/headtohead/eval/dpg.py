"""DPG-Bench's scoring: yes-or-no answers to a graph of questions, where a failed parent zeroes what hangs on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from headtohead.judging import Answerer

Row = Mapping[str, str]  # one line of the CSV


@dataclass(frozen=True)
class Graded:
    """One picture's questions with what each scored after zeroing."""

    points: dict[int, float]  # by proposition
    category: dict[int, str]  # the broad one

    @property
    def score(self) -> float:
        return float(np.mean(list(self.points.values())))


def parents(row: Row) -> tuple[int, ...]:
    """The propositions a question hangs on; 0 stands for none."""
    return tuple(int(p) for p in row["dependency"].split(",") if int(p) != 0)


def grade(rows: Sequence[Row], answers: Sequence[str]) -> Graded:
    """Exactly `yes` scores 1; a question is zeroed when any of its ancestors scored 0."""
    said = {int(row["proposition_id"]): float(a == "yes") for row, a in zip(rows, answers, strict=True)}
    above = {int(row["proposition_id"]): parents(row) for row in rows}

    def holds(number: int, below: frozenset[int] = frozenset()) -> bool:
        if number in below:
            raise ValueError(f"question {number} of {rows[0]['item_id']} depends on itself")
        return said.get(number, 0.0) == 1 and all(holds(p, below | {number}) for p in above.get(number, ()))

    category = {int(row["proposition_id"]): row["category_broad"] for row in rows}
    return Graded({number: float(holds(number)) for number in said}, category)


def judge(prompts: Sequence[Sequence[Row]], pictures: Tensor, answerer: Answerer) -> list[Graded]:
    """One grade a picture; picture k answers the rows of prompt k."""
    answers = answerer.answers(pictures, [[row["question_natural_language"] for row in rows] for rows in prompts])
    return [grade(rows, said) for rows, said in zip(prompts, answers, strict=True)]


def scores(graded: Iterable[Graded]) -> dict[str, float]:
    """Mean over pictures of the mean over questions, and by broad category over questions; in [0, 1]."""
    graded = list(graded)
    by: dict[str, list[float]] = {}
    for g in graded:
        for number, points in g.points.items():
            by.setdefault(g.category[number], []).append(points)
    return {
        **{name: float(np.mean(by[name])) for name in sorted(by)},
        "overall": float(np.mean([g.score for g in graded])),
    }
