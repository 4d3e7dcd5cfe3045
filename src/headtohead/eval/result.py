"""A score with everything that identifies it, as JSON; and the comparison of two, where they can be compared."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headtohead.eval.folders import FolderError
from headtohead.eval.uncertainty import Interval, paired
from headtohead.machine import PACKAGES, versions

# What has to be equal before two results mean anything side by side, and what it is called in words.
SAME = ("metric", "mode", "judge", "resizer", "reference", "exam")


@dataclass
class Result:
    metric: str
    mode: str
    judge: dict[str, Any]  # by role: name and hash of weights
    images: str
    scores: dict[str, float]
    intervals: dict[str, dict[str, float]]
    interval_is: str
    n: dict[str, int]
    comparable_to_published: bool
    picture_size: list[str]
    exam: str = ""  # a hash of the prompts
    resizer: str = ""
    reference: dict[str, Any] = field(default_factory=dict)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=lambda: versions((*PACKAGES, "clean-fid", "timm", "scipy")))

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(asdict(self), indent=1) + "\n")
        os.replace(beside, path)

    def table(self) -> str:
        """Scores with their intervals, a line each."""
        lines = [f"{self.metric} ({self.mode}), {self.images}"]
        for name, value in self.scores.items():
            i = self.intervals.get(name)
            spread = f"   {i['low']:.4f} to {i['high']:.4f}" if i else ""
            number = self.n.get(name)
            lines.append(f"  {name:28} {value:9.4f}{spread:24}{f'   n {number:,}' if number else ''}")
        if self.intervals:
            lines.append(f"  intervals: {self.interval_is}")
        lines += [f"  note: {note}" for note in self.notes]
        if not self.comparable_to_published:
            lines.append("  not comparable to published scores: judge or weights are not the official ones")
        return "\n".join(lines)


def interval(i: Interval) -> dict[str, float]:
    return {"low": i.low, "high": i.high}


def read(path: Path) -> dict[str, Any]:
    try:
        out = json.loads(path.read_text())
    except OSError as error:
        raise FolderError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise FolderError(f"{path}: is no JSON") from None
    if not isinstance(out, dict) or not {"metric", "mode", "judge", "scores", "prompts"} <= set(out):
        raise FolderError(f"{path}: is no result of headtohead.eval")
    return out


@dataclass(frozen=True)
class Comparison:
    metric: str
    difference: float  # B - A
    interval: Interval
    p: float
    prompts: int


def compare(a: Path, b: Path) -> Comparison:
    """The paired difference of two results on the same prompts; refused where they differ in what they measure."""
    one, other = read(a), read(b)
    for name in SAME:
        if one.get(name) != other.get(name):
            raise FolderError(f"{a} and {b} do not compare: {name} is {_short(one, name)} and {_short(other, name)}")
    rows = {row["id"]: row for row in one["prompts"]}, {row["id"]: row for row in other["prompts"]}
    if not rows[0]:
        raise FolderError(f"{a}: holds no scores by prompt; {one['metric']} compares whole samples")
    if set(rows[0]) != set(rows[1]):
        missing = min(set(rows[0]) ^ set(rows[1]))
        raise FolderError(f"{a} and {b} do not compare: prompts differ, such as {missing}")
    shared = list(rows[0])
    tasks = sorted({rows[0][k].get("task", "") for k in shared})
    difference, interval, p = paired(
        [rows[0][k]["score"] for k in shared],
        [rows[1][k]["score"] for k in shared],
        [tasks.index(rows[0][k].get("task", "")) for k in shared],
    )
    return Comparison(one["metric"], difference, interval, p, len(shared))


def _short(result: dict[str, Any], name: str) -> str:
    return json.dumps(result.get(name))[:80]
