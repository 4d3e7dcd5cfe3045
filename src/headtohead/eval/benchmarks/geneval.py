"""GenEval's scoring rules: from detections to a verdict a picture, and from verdicts to the six tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from headtohead.eval.judges.base import ColourClassifier, Detector
from headtohead.synthetic.prompts.short_prompts import TASKS
from headtohead.utils.boxes import RELATIONS, Detection, relations

CONFIDENCE, COUNTING_CONFIDENCE = 0.3, 0.9  # a detection counts strictly above
MOST = 16  # objects of one class, by score


@dataclass(frozen=True)
class Verdict:
    tag: str
    correct: bool
    reasons: tuple[str, ...] = ()


def kept(found: Sequence[tuple[Detection, str]], tag: str) -> dict[str, list[tuple[Detection, str]]]:
    """The detections (with their colours) that count for a task, by class, best first."""
    threshold = COUNTING_CONFIDENCE if tag == "counting" else CONFIDENCE
    out: dict[str, list[tuple[Detection, str]]] = {}
    # Single precision, and of equal scores the later one first: as the official scorer's arrays have them.
    for d, colour in sorted(found, key=lambda pair: np.float32(pair[0].score))[::-1]:
        if np.float32(d.score) > np.float32(threshold):
            out.setdefault(d.name, []).append((d, colour))
    return {name: rows[:MOST] for name, rows in out.items()}


def verdict(line: Mapping[str, Any], found: Sequence[tuple[Detection, str]]) -> Verdict:
    """Does a picture with these objects fulfil one line of a GenEval file?"""
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
        if not all(relations(_single(d), _single(o))[index] for d in objects for o in others):
            return f"expected {name} {relation} target", None
    return "", objects


def _single(d: Detection) -> NDArray[np.float32]:
    """A box in the precision that detectors give it, on which a relation's boundary depends."""
    return np.array(d.box, np.float32)


def judge(
    lines: Sequence[Mapping[str, Any]], pictures: Tensor, detector: Detector, colours: ColourClassifier
) -> list[Verdict]:
    """One verdict a picture; picture k answers line k."""
    found = detector.detect(pictures)
    named = colours.colours(pictures, found)
    return [
        verdict(line, list(zip(row, names, strict=True))) for line, row, names in zip(lines, found, named, strict=True)
    ]


def scores(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Mean over pictures for each task, and `overall`: the unweighted mean of the tasks."""
    by_task: dict[str, list[bool]] = {}
    for v in verdicts:
        by_task.setdefault(v.tag, []).append(v.correct)
    out = {
        task: float(np.mean(by_task[task])) for task in (*TASKS, *sorted(set(by_task) - set(TASKS))) if task in by_task
    }
    return {**out, "overall": float(np.mean(list(out.values())))}
