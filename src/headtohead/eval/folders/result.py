"""The result of scoring a folder: written and read as JSON, printed as a table, compared with another result."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headtohead.eval.folders import images
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.uncertainty import Interval, paired
from headtohead.utils import files
from headtohead.utils.compute import PACKAGES, versions

PACKAGES_RECORDED = ("headtohead", *PACKAGES, "torchvision", "pillow", "numpy", "scipy", "timm", "clean-fid")


def packages() -> dict[str, str]:
    """Versions of the packages that scores depend on."""
    return versions(PACKAGES_RECORDED)


@dataclass
class Result:
    """Scores of a folder, with everything that two results must share to be compared."""

    metric: str
    mode: str
    judge: dict[str, Any]  # by role: name and hash of weights
    settings: dict[str, Any]  # of the judges
    images: str
    scores: dict[str, float]
    intervals: dict[str, dict[str, float]]
    interval_is: str  # what the intervals cover
    n: dict[str, int]  # pictures or prompts by score
    picture_size: list[str]
    exam: str = ""  # a hash of the prompts
    resizer: str = ""
    reference: dict[str, Any] = field(default_factory=dict)
    accepted: dict[str, Any] = field(default_factory=dict)  # the GenEval result that selects the pictures
    prompts: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_comparable_because: list[str] = field(default_factory=list)  # differences from the published protocol
    packages: dict[str, str] = field(default_factory=packages)

    def __post_init__(self) -> None:
        for name, value in self.scores.items():
            if not math.isfinite(value):
                raise FolderError(f"--images {self.images}: {self.metric} {name} is no number ({value})")

    @property
    def comparable_to_published(self) -> bool:
        return not self.not_comparable_because

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "comparable_to_published": self.comparable_to_published}

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.whole(path, (json.dumps(self.plain(), indent=1, allow_nan=False) + "\n").encode())


def table(results: Sequence[Result]) -> str:
    """A line for each score with its interval; several modes of one folder are columns."""
    rows = {name: [_cell(r, name) for r in results] for name in dict.fromkeys(n for r in results for n in r.scores)}
    heads = [f"{r.metric} ({r.mode})" for r in results]
    widths = [max(map(len, column)) for column in zip(heads, *rows.values(), strict=True)]
    first = results[0]
    lines = [f"{', '.join(heads)}, {first.images}"]
    if len(results) > 1:
        lines.append(f"  {'':28} {'   '.join(map(str.ljust, heads, widths))}".rstrip())
    lines += [f"  {name:28} {'   '.join(map(str.ljust, cells, widths))}".rstrip() for name, cells in rows.items()]
    if first.intervals:
        lines.append(f"  intervals: {first.interval_is}")
    lines += [f"  note: {note}" for note in dict.fromkeys(note for r in results for note in r.notes)]
    if reasons := dict.fromkeys(reason for r in results for reason in r.not_comparable_because):
        lines += ["  not comparable to published scores:", *(f"    {reason}" for reason in reasons)]
    return "\n".join(lines)


def _cell(r: Result, name: str) -> str:
    if name not in r.scores:
        return ""
    i, number = r.intervals.get(name), r.n.get(name)
    spread = f"   {i['low']:.4f} to {i['high']:.4f}" if i else ""
    return f"{r.scores[name]:9.4f}{spread:24}{f'   n {number:,}' if number else ''}"


def interval(i: Interval) -> dict[str, float]:
    return {"low": i.low, "high": i.high}


def read(path: Path) -> dict[str, Any]:
    """Read a result file; raises for any other file, naming the wrong key."""
    try:
        out = json.loads(images.text(path))
    except FolderError:
        raise
    except ValueError:
        raise FolderError(f"{path}: is no JSON") from None
    if not isinstance(out, dict):
        raise FolderError(f"{path}: is no result of headtohead.eval")
    for key, kind in WRITTEN.items():
        if not isinstance(out.get(key), kind):
            raise FolderError(f"{path}: is no result of this headtohead.eval ({key} is missing or of another kind)")
    for k, row in enumerate(out["prompts"]):
        if key := _wrong(row):
            raise FolderError(f"{path}: prompts[{k}].{key} is missing or of another kind")
    if len({row["id"] for row in out["prompts"]}) < len(out["prompts"]):
        raise FolderError(f"{path}: prompts: an id stands there twice")
    return out


WRITTEN: dict[str, type] = {
    "metric": str, "mode": str, "judge": dict, "settings": dict, "scores": dict, "exam": str, "resizer": str,
    "reference": dict, "accepted": dict, "prompts": list, "troubles": list,
}  # fmt: skip


def _wrong(row: Any) -> str:
    """The first key of a prompt's row that is missing or of a wrong type; empty if all are right."""
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        return "id"
    if type(row.get("score")) not in (int, float) or not math.isfinite(row["score"]):
        return "score"
    if not isinstance(row.get("task", ""), str):
        return "task"
    own = row.get("pictures", [])
    if not isinstance(own, list) or not all(isinstance(p, dict) and isinstance(p.get("file"), str) for p in own):
        return "pictures"
    return ""


# Keys that must be equal in both results; NAMES below them may differ where a hash is recorded beside the name.
SAME = ("metric", "mode", "judge", "settings", "resizer", "reference", "accepted", "exam")
NAMES = ("name", "file")


@dataclass(frozen=True)
class Comparison:
    metric: str
    difference: float  # B - A
    interval: Interval
    p: float
    prompts: int
    notes: tuple[str, ...]


def compare(a: Path, b: Path) -> Comparison:
    """The paired difference b - a of two results; raises if they are not comparable.

    a  file of the first result
    b  file of the second
    """
    one, other = read(a), read(b)
    refused = f"{a} and {b} do not compare:"
    rows = {row["id"]: row for row in one["prompts"]}, {row["id"]: row for row in other["prompts"]}
    for name in SAME[:-1]:
        for place, x, y in differences(name, one[name], other[name]):
            raise FolderError(f"{refused} {place} is {_brief(x)} and {_brief(y)}")
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
    """Where two values differ: key, value of one, value of the other.

    place  key of the values
    one    a value or nested dictionary
    other  to be compared with it
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            if key not in NAMES or len(one) == 1:
                yield from differences(f"{place}.{key}", one.get(key), other.get(key))
    elif one != other:
        yield place, one, other


def _brief(value: Any) -> str:
    return json.dumps(value)[:80]
