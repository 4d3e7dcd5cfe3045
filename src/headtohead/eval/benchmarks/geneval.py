"""GenEval: does a picture show the objects, counts, colours and positions that its prompt names?

A detector finds objects, a classifier names their colours, rules decide. Scores: see TaskShares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from headtohead.config import published_models
from headtohead.config.run_config import ExamConfig
from headtohead.eval.benchmarks import base, published
from headtohead.eval.benchmarks.base import Item, PictureFile, one_of
from headtohead.eval.folders import images, score
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.resume import How
from headtohead.eval.judges import colours as colour_judges
from headtohead.eval.judges import mask2former
from headtohead.eval.judges.colours import COLOURS
from headtohead.eval.metrics.base import TaskShares
from headtohead.synthetic.prompts import short_prompts
from headtohead.utils.boxes import RELATIONS, Detection, relations

TASKS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
CONFIDENCE, COUNTING_CONFIDENCE = 0.3, 0.9  # a detection counts strictly above
MOST = 16  # objects of one class, by score
REPEATED = {"single_object": 8, "counting": 3}  # pictures a prompt of the embedded dataset, in tasks with few prompts
KEYS = ("tag", "include", "exclude", "prompt"), ("class", "count", "color", "position")  # of a line, of its items
Line = dict[str, Any]


# The rules: from detections to a verdict.
@dataclass(frozen=True)
class Verdict:
    task: str
    correct: bool
    reasons: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        return float(self.correct)

    @property
    def reason(self) -> str:
        return "; ".join(self.reasons)


def kept(found: Sequence[tuple[Detection, str]], tag: str) -> dict[str, list[tuple[Detection, str]]]:
    """The detections, with their colours, that count for a task: by class, best first."""
    threshold = COUNTING_CONFIDENCE if tag == "counting" else CONFIDENCE
    out: dict[str, list[tuple[Detection, str]]] = {}
    # Single precision, and of equal scores the later one first: as the official scorer's arrays have them.
    for d, colour in sorted(found, key=lambda pair: np.float32(pair[0].score))[::-1]:
        if np.float32(d.score) > np.float32(threshold):
            out.setdefault(d.name, []).append((d, colour))
    return {name: rows[:MOST] for name, rows in out.items()}


def verdict(line: Mapping[str, Any], found: Sequence[tuple[Detection, str]]) -> Verdict:
    """Does a picture with these objects, each with its colour, fulfil one line of a GenEval file?"""
    objects, reasons = kept(found, line["tag"]), list[str]()
    groups: list[list[Detection] | None] = []  # what each include item matched; positions point back into it
    for item in line["include"]:
        reason, group = _include(item, objects.get(item["class"], [])[: item["count"]], groups)
        groups.append(group)
        if reason:
            reasons.append(reason)
    for item in line.get("exclude", ()):
        if (number := len(objects.get(item["class"], []))) >= item["count"]:
            reasons.append(f"expected {item['class']} < {item['count']}, found {number}")
    return Verdict(line["tag"], not reasons, tuple(reasons))


def _include(
    item: Mapping[str, Any], found: list[tuple[Detection, str]], groups: Sequence[list[Detection] | None]
) -> tuple[str, list[Detection] | None]:
    """Why an include item fails (empty if it does not), and the objects that it matched."""
    name, count = item["class"], item["count"]
    if len(found) < count:
        return f"expected {name} >= {count}, found {len(found)}", None
    if "color" in item and (number := [c for _, c in found].count(item["color"])) < count:
        return f"expected {item['color']} {name} >= {count}, found {number}", None
    objects = [d for d, _ in found]
    if "position" in item:
        relation, target = item["position"]
        others = groups[target]
        if others is None:
            return f"no target for {name} to be {relation}", None
        index = RELATIONS.index(relation)
        ours, theirs = ([np.array(d.box, np.float32) for d in side] for side in (objects, others))  # as detectors give
        if not all(relations(a, b)[index] for a in ours for b in theirs):
            return f"expected {name} {relation} target", None
    return "", objects


class GenEvalScore(TaskShares):
    """GenEval's scores from verdicts: a share for each task and `overall`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(TASKS, **kwargs)


# The file of prompts, evaluation_metadata.jsonl.
def prompts(path: Path, names: Collection[str] = (), colours: Collection[str] = COLOURS) -> list[Line]:
    """A JSON object a line; every class, if `names` are given, and every colour must be known."""
    out = []
    for number, row in enumerate(images.text(path).split("\n"), 1):
        try:
            if row.strip():
                out.append(line(row, names, colours))
        except ValueError as error:
            raise FolderError(f"{path}: line {number}: {error}") from None
    published.check(path, published.GENEVAL_PROMPTS, prompts_hash(out))
    return out


def prompts_hash(lines: Iterable[Mapping[str, Any]]) -> str:
    """The sha256 of the prompts' file, from whichever folders the lines come."""
    return hashlib.sha256("".join(text(own) + "\n" for own in lines).encode()).hexdigest()


def text(own: Mapping[str, Any]) -> str:
    """A line as the published file writes it: its keys alone, in its order."""
    outer, inner = KEYS
    items = {k: [{i: item[i] for i in inner if i in item} for item in own[k]] for k in outer[1:3] if k in own}
    return json.dumps({k: items.get(k, own[k]) for k in outer if k in own})


def line(row: str, names: Collection[str] = (), colours: Collection[str] = COLOURS) -> Line:
    """One line, with every key checked that the rules read."""
    try:
        own = json.loads(row)
    except ValueError:
        raise ValueError("is no JSON") from None
    if not isinstance(own, dict):
        raise ValueError("is no object of tag, include and prompt")
    one_of("tag", own.get("tag"), TASKS)
    if not isinstance(own.get("prompt"), str):
        raise ValueError(f"prompt: expected a text, got {json.dumps(own.get('prompt'))}")
    for key in ("include", "exclude"):
        items = own.get(key, [] if key == "exclude" else None)
        if not isinstance(items, list) or not (items or key == "exclude"):
            raise ValueError(f"{key}: expected a list of objects, got {json.dumps(items)}")
        for k, item in enumerate(items):
            _check_item(f"{key}[{k}]", item, k, names, colours)
    return own


def _check_item(place: str, item: Any, earlier: int, names: Collection[str], colours: Collection[str]) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("class"), str):
        raise ValueError(f"{place}: expected an object with class and count, got {json.dumps(item)[:60]}")
    if names and item["class"] not in names:
        raise ValueError(f"{place}.class: {item['class']!r} is not among the class names")
    if type(item.get("count")) is not int or item["count"] < 1:
        raise ValueError(f"{place}.count: expected a whole number from 1 on, got {json.dumps(item.get('count'))}")
    if "color" in item:
        one_of(f"{place}.color", item["color"], colours)
    if "position" in item:
        position = item["position"]
        if not isinstance(position, list) or len(position) != 2:
            raise ValueError(f"{place}.position: expected a relation and an item's number, got {json.dumps(position)}")
        one_of(f"{place}.position", position[0], RELATIONS)
        if type(position[1]) is not int or not 0 <= position[1] < earlier:
            raise ValueError(f"{place}.position: {json.dumps(position[1])} is no earlier item of include")


class GenEval(base.Benchmark):
    name, setting, published, rank = "geneval", "geneval", published.GENEVAL_LINES, 0

    def synthetic(self, split: short_prompts.Split, pictures: int = 0) -> list[Item]:
        """So many pictures shared evenly by the tasks; of every prompt, several in tasks that have few prompts."""
        tasks = [[p for p in synthetic_prompts(split) if p.task == task] for task in TASKS]
        if pictures:
            return [p for own in tasks for p in base.spread(own, pictures // len(tasks))]
        return [p for own in tasks for p in own for _ in range(REPEATED.get(p.task, 1))]

    def read(self, path: Path) -> list[Item]:
        return [Item(f"{k:05d}", own["prompt"], own, own["tag"]) for k, own in enumerate(prompts(path))]

    def pictures(self, exam: ExamConfig) -> int:
        return exam.a_prompt

    def files(self, k: int, item: Item, exam: ExamConfig) -> list[PictureFile]:
        folder = f"geneval/{item.id}/samples"
        return [PictureFile(f"{folder}/{n:04d}.png", item.prompt, 4 * k + n) for n in range(exam.a_prompt)]

    def judges(self, exam: ExamConfig, device: str) -> dict[str, Any]:
        names = mask2former.class_names(Path(exam.names) if exam.names else None, "exam.names")
        detector = mask2former.load(exam.detector, names, device)
        return {"detector": detector, "colours": colour_judges.load(exam.colours, device)}

    def judge(self, items: Sequence[Item], pictures: Tensor, judges: base.Judges) -> list[Verdict]:
        found = judges["detector"].detect(pictures)
        named = judges["colours"].colours(pictures, found)
        rows = zip(items, found, named, strict=True)
        return [verdict(item.rule, list(zip(objects, names, strict=True))) for item, objects, names in rows]

    def metric(self, items: Sequence[Item] = (), **kwargs: Any) -> GenEvalScore:
        return GenEvalScore(**kwargs)

    def score_files(
        self, listed: base.Listed, judges: base.Judges, exam: ExamConfig, how: How, cache: Path
    ) -> list[Result]:
        for item in listed.items:
            (item.files[0].parents[1] / "metadata.jsonl").write_text(json.dumps(item.rule))
        return [score.by_picture(self, listed, judges, judges["detector"].settings, how)]

    def identify(self, items: Iterable[Item]) -> str:
        return prompts_hash(item.rule for item in items)

    def differences(self, r: Result) -> Iterator[str]:
        yield "the published detector is another training of Mask2Former, mmdet's"
        for role, official in (("detector", published_models.DETECTOR), ("colours", published_models.COLOURS)):
            if r.judge[role]["name"] != official:
                yield f"{role}: {r.judge[role]['name']}, not {official}"
        if (short := r.settings.get("short")) != mask2former.SHORT:
            yield f"the detector's short side is {short}, not {mask2former.SHORT}"
        if r.settings.get("names") != published.SHA256[published.GENEVAL_NAMES]:
            yield "the class names are not the published ones"
        if r.exam != published.SHA256[published.GENEVAL_PROMPTS]:
            yield "the prompts are not the published 553"
        if counts := {len(row["pictures"]) for row in r.prompts} - {published.A_PROMPT}:
            yield f"pictures a prompt: {min(counts)}, not {published.A_PROMPT}"


@cache
def synthetic_prompts(split: short_prompts.Split) -> list[Item]:
    """GenEval's prompts about the embedded dataset."""
    return [
        Item(f"{k:05d}", p.prompt, p.line(), p.tag, p.seen, short_prompts.request(p))
        for k, p in enumerate(short_prompts.geneval(split))
    ]


GENEVAL = GenEval()
