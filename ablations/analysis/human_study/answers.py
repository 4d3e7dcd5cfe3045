"""What raters answered: files checked against the key and against the pictures, and win rates of designs."""

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
    question: str
    designs: tuple[str, str]
    prompt: str
    rater: str
    pictures: tuple[str, str]
    score: float  # of the first design: 1 it was preferred, 0 the other, 0.5 neither


@dataclass(frozen=True)
class Rate:
    """How often the first of two designs is preferred, with what other prompts and raters might say."""

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
    refused: list[str]  # a line a file that could not be counted, or not all of it

    @property
    def table(self) -> Table:
        return table(self.rates)


def answered(folder: Path) -> Answered | None:
    """Everything in a sweep's answers/; nothing where there are none."""
    paths = sorted((folder / ANSWERS).glob("*.json"))
    if not paths:
        return None
    known, now, found, refused = keys(folder), shown(folder), list[Answer](), list[str]()
    whose: dict[tuple[str, str], Path] = {}
    for path in paths:
        try:
            rater, study, own = read(path, known)
            if (first := whose.setdefault((rater, study), path)) != path:
                raise RecordError(f"{path}: rater: {rater:.40} has answered already, in {first.name}")
        except RecordError as error:
            refused.append(f"{str(error).removeprefix(f'{folder}/')}; left out")
        except UnicodeDecodeError:
            refused.append(f"{path.relative_to(folder)}: is no text; left out")
        else:
            found += [a for a in own if now.issuperset(a.pictures)]
            if others := sum(not now.issuperset(a.pictures) for a in own):
                refused.append(f"{path.relative_to(folder)}: {others} of {len(own)} answers are of pictures that "
                               "finished runs do not show, or no longer; left out")  # fmt: skip
    return Answered(rates(found), refused)


def read(path: Path, known: dict[str, dict[str, Any]]) -> tuple[str, str, list[Answer]]:
    """One rater's answers to one study; the file says rater, study and what was chosen of each pair."""
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
    by: dict[tuple[str, tuple[str, str]], list[Answer]] = {}
    for answer in found:
        by.setdefault((answer.question, answer.designs), []).append(answer)
    out = []
    for question in QUESTIONS:
        for (asked, designs), own in by.items():
            if asked == question:
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
        "How often raters who see two pictures of one prompt, blind and on random sides, prefer the first design; who "
        "cannot tell counts half for each. Intervals and p-values (of one half) respect that answers to one prompt and "
        "of one rater are alike; no p-value is below that of an exact test over prompts and over raters, as those who "
        f"guess agree now and then. Of fewer than {FEW} prompts or raters there is no interval. With one rater they "
        "speak for that rater only."
    )
    return Table("What raters prefer", head, rows, note)
