"""Read runs back from their folders. Needs no torch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from headtohead.records.json_files import RecordError as RecordError
from headtohead.records.json_files import read_json as read_json
from headtohead.records.json_files import read_lines as read_lines
from headtohead.records.json_files import write as write
from headtohead.records.layout import CONFIG, CURVE, PROMPTS, STATUS

_EXAM = re.compile(r'\{"step": (\d+), "exam": "(\w+)"')  # how a line of prompts.jsonl begins


# What every line of a curve must hold for anything to be made of it.
CURVE_KEYS: dict[str, tuple[type, ...]] = {
    "step": (int,),
    "metric": (str,),
    "value": (int, float),
    "flops": (int, float),
    "seconds": (int, float),
    "n": (int,),
}


_FINITE = ("value", "flops", "seconds")  # JSON as Python reads it knows NaN and infinity


@dataclass(frozen=True)
class Run:
    """One run, read back."""

    folder: Path
    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def sweep(self) -> str:
        return self.folder.parent.name

    def curve(self) -> list[dict[str, Any]]:
        """By step, in whatever order they were measured."""
        lines = self.lines(CURVE)
        if not _sound(lines):
            for number, line in enumerate(lines, 1):
                for key, kinds in CURVE_KEYS.items():
                    if type(line.get(key)) not in kinds or (key in _FINITE and not math.isfinite(line[key])):
                        raise RecordError(f"{self.folder / CURVE}: line {number}: {key} is {line.get(key)!r:.40}")
        return sorted(lines, key=itemgetter("step"))

    def exams(self) -> dict[int, str]:
        """What was asked at each step; lines are long and only their beginnings are read."""
        path = self.folder / PROMPTS
        if not path.exists():
            return {}
        try:
            with path.open() as lines:
                return {int(found[1]): found[2] for line in lines if (found := _EXAM.match(line))}
        except UnicodeDecodeError:
            raise RecordError(f"{path}: no text") from None

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return read_lines(path) if path.exists() else []


def _sound(lines: list[dict[str, Any]]) -> bool:
    """Column by column: there may be a hundred thousand lines."""
    try:
        typed = all({*map(type, map(itemgetter(key), lines))} <= {*kinds} for key, kinds in CURVE_KEYS.items())
        return typed and all(all(map(math.isfinite, map(itemgetter(key), lines))) for key in _FINITE)
    except KeyError:
        return False


def runs(results: Path) -> list[Run]:
    """Every run under a folder: a results folder, a sweep's or a run's own."""
    if results.is_file():
        raise RecordError(f"{results}: is a file, not a folder of results")
    if not results.is_dir():
        raise RecordError(f"{results}: no such folder; `make sweep DESIGN=clip_flow` makes results")
    found = []
    for path in sorted(results.rglob(CONFIG)):
        status = path.with_name(STATUS)
        state = {"state": "unknown", **(read_json(status) if status.exists() else {})}
        found.append(Run(path.parent, read_json(path), state))
    if not found:
        raise RecordError(f"{results}: no runs in it (a run's folder holds {CONFIG}); `make sweep` makes some")
    return found
