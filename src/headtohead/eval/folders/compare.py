"""The paired difference of two results that measured the same thing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.result import read
from headtohead.eval.folders.uncertainty import Interval, paired

# Keys of results that must be equal, and keys below them that need not be, since a hash is recorded beside them.
SAME = ("metric", "mode", "judge", "settings", "resizer", "reference", "accepted", "exam")
CALLED = ("name", "file")


@dataclass(frozen=True)
class Comparison:
    metric: str
    difference: float  # B - A
    interval: Interval
    p: float
    prompts: int
    notes: tuple[str, ...]


def compare(a: Path, b: Path) -> Comparison:
    """B - A, from two files of results; refused where they differ in what they measured."""
    one, other = read(a), read(b)
    refused = f"{a} and {b} do not compare:"
    rows = {row["id"]: row for row in one["prompts"]}, {row["id"]: row for row in other["prompts"]}
    for name in SAME[:-1]:
        for place, x, y in differences(name, one[name], other[name]):
            raise FolderError(f"{refused} {place} is {_short(x)} and {_short(y)}")
    if not rows[0] or not rows[1]:
        raise FolderError(f"{a if not rows[0] else b}: holds no scores by prompt; {one['metric']} is of whole samples")
    if different := set(rows[0]) ^ set(rows[1]):
        raise FolderError(f"{refused} prompts differ, such as {min(different)}")
    if one["exam"] != other["exam"]:
        raise FolderError(f"{refused} exam is {one['exam'][:16]} and {other['exam'][:16]}: they ask other things")
    shared = list(rows[0])
    tasks = sorted({rows[0][k].get("task", "") for k in shared})
    difference, interval, p = paired(
        [rows[0][k]["score"] for k in shared],
        [rows[1][k]["score"] for k in shared],
        [tasks.index(rows[0][k].get("task", "")) for k in shared],
    )
    notes = tuple(f"{p}: {len(r['troubles'])} missing or damaged" for p, r in ((a, one), (b, other)) if r["troubles"])
    return Comparison(one["metric"], difference, interval, p, len(shared), notes)


def differences(place: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """The parts that differ, each with its key."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            if key not in CALLED or len(one) == 1:
                yield from differences(f"{place}.{key}", one.get(key), other.get(key))
    elif one != other:
        yield place, one, other


def _short(value: Any) -> str:
    return json.dumps(value)[:80]
