"""Raters' answers: read and checked against the key and the current images; win rates of designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ablations.analysis.human_study.pairs import keys, shown
from ablations.analysis.human_study.statistics import FEW, clustered
from ablations.analysis.statistics import holm
from ablations.analysis.table import Table
from headtohead.records.json_files import RecordError, read_json

ANSWERS = "answers"
TIE = "tie"
QUESTIONS = {
    "quality": "Which picture looks better: layout, clarity, shapes of objects, cleanliness?",
    "alignment": "Which picture shows better what the text says?",
}


@dataclass(frozen=True)
class Answer:
    """One rater's choice between two images."""

    question: str
    designs: tuple[str, str]
    prompt: str
    rater: str
    pictures: tuple[str, str]
    score: float  # 1 if the first design was preferred, 0 if the second, 0.5 for a tie


@dataclass(frozen=True)
class Rate:
    """How often the first of two designs is preferred, with an interval over prompts and raters."""

    question: str
    designs: tuple[str, str]
    rate: float
    low: float
    high: float
    p: float
    answers: int
    prompts: int
    raters: int


@dataclass(frozen=True)
class Answered:
    rates: list[Rate]
    refused: list[str]  # a line for each file that is left out, entirely or in part

    @property
    def table(self) -> Table:
        return table(self.rates)


def answered(folder: Path) -> Answered | None:
    """All answers to a sweep's human studies; None without any."""
    paths = sorted((folder / ANSWERS).glob("*.json"))
    if not paths:
        return None
    known, current, found, refused = keys(folder), shown(folder), list[Answer](), list[str]()
    files: dict[tuple[str, str], Path] = {}
    for path in paths:
        try:
            rater, study, own = read(path, known)
            if (first := files.setdefault((rater, study), path)) != path:
                raise RecordError(f"{path}: rater: {rater:.40} has answered already, in {first.name}")
        except RecordError as error:
            refused.append(f"{str(error).removeprefix(f'{folder}/')}; left out")
        except UnicodeDecodeError:
            refused.append(f"{path.relative_to(folder)}: is no text; left out")
        else:
            found += [a for a in own if current.issuperset(a.pictures)]
            if others := sum(not current.issuperset(a.pictures) for a in own):
                refused.append(f"{path.relative_to(folder)}: {others} of {len(own)} answers are of pictures that "
                               "finished runs do not show, or no longer; left out")  # fmt: skip
    return Answered(rates(found), refused)


def read(path: Path, known: dict[str, dict[str, Any]]) -> tuple[str, str, list[Answer]]:
    """Read one rater's answers to one human study: rater, id of the study, answers.

    path   of the file that the page saved
    known  keys of the sweep's studies by id
    """
    given = read_json(path)
    study, rater, lines = given.get("study"), given.get("rater"), given.get("answers")
    if not isinstance(rater, str) or not rater.strip():
        raise RecordError(f"{path}: rater: expected a name, got {rater!r:.40}")
    if not isinstance(lines, list):
        raise RecordError(f"{path}: answers: expected a list, got {lines!r:.40}")
    if not isinstance(study, str) or study not in known:
        raise RecordError(f"{path}: study: {study!r:.40} is none of this sweep's ({', '.join(known) or 'it has none'})")
    pairs, out, seen = known[study]["pairs"], [], set()
    for number, line in enumerate(lines, 1):
        where = f"{path}: answer {number}"
        answer = _answer(line if isinstance(line, dict) else {}, pairs, rater.strip(), where)
        if (line["pair"], answer.question) in seen:
            raise RecordError(f"{where}: pair: {line['pair']} was answered before")
        seen.add((line["pair"], answer.question))
        out.append(answer)
    return rater.strip(), study, out


def _answer(line: dict[str, Any], pairs: dict[str, Any], rater: str, where: str) -> Answer:
    pair, question, chosen = (line.get(key) for key in ("pair", "question", "chosen"))
    if not isinstance(pair, str) or pair not in pairs:
        raise RecordError(f"{where}: pair: {pair!r:.40} is none of the study's")
    if not isinstance(question, str) or question not in QUESTIONS:
        raise RecordError(f"{where}: question: expected {' or '.join(QUESTIONS)}, got {question!r:.40}")
    one, other = pairs[pair]["pictures"]
    scores = {one["name"]: 1.0, other["name"]: 0.0, TIE: 0.5}
    if not isinstance(chosen, str) or chosen not in scores:
        raise RecordError(f"{where}: chosen: {chosen!r:.40} is no picture of the pair")
    designs, pictures = ((one[key], other[key]) for key in ("design", "name"))
    return Answer(question, designs, pairs[pair]["prompt"], rater, pictures, scores[chosen])


def rates(found: Sequence[Answer]) -> list[Rate]:
    """Win rates for each question and pair of designs."""
    by: dict[tuple[str, tuple[str, str]], list[Answer]] = {}
    for answer in found:
        by.setdefault((answer.question, answer.designs), []).append(answer)
    out = []
    for question in QUESTIONS:
        for (of, designs), own in by.items():
            if of == question:
                prompts, raters = [a.prompt for a in own], [a.rater for a in own]
                numbers = clustered([a.score for a in own], prompts, raters)
                out.append(Rate(question, designs, *numbers, len(own), len(set(prompts)), len(set(raters))))
    return out


def table(found: Sequence[Rate]) -> Table:
    corrected = holm([r.p for r in found])
    rows = [
        [r.question, *r.designs, f"{r.rate:.0%}", "–" if np.isnan(r.low) else f"{r.low:.0%} to {r.high:.0%}",
         *("–" if np.isnan(p) else f"{p:.2g}" for p in (r.p, c)), str(r.answers), str(r.prompts), str(r.raters)]
        for r, c in zip(found, corrected, strict=True)
    ]  # fmt: skip
    head = ["question", "design", "against", "preferred", "95 % interval", "p", "Holm", "answers", "prompts", "raters"]
    note = (
        "How often raters prefer the first design; they see two pictures of one prompt on random sides, without the "
        "designs' names. A tie counts half for each. Intervals and p-values (against one half) allow for correlation "
        "between answers to one prompt and between answers of one rater. No p-value is below that of an exact test "
        f"over prompts and over raters. With fewer than {FEW} prompts or raters there is no interval. With one rater, "
        "results hold for that rater only."
    )
    return Table("What raters prefer", head, rows, note)
