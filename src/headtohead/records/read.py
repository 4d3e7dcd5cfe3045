"""Read runs back from their folders. Needs no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from operator import itemgetter
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Protocol

from headtohead.config.design import Design
from headtohead.config.run_config import current
from headtohead.records.json_files import Damage, RecordError, parsed, read_lines
from headtohead.records.layout import CONFIG, CURVE, PROMPTS, STATUS

AXES = tuple(axis.name for axis in fields(Design))  # of a design, as a configuration holds them
UNREADABLE = "unreadable"  # the state of a run whose status.json is missing or damaged
_EXAM = re.compile(r'\{"step": (\d+), "exam": "(\w+)"')  # how a line of prompts.jsonl begins


class _Curve:
    """What every line of a curve must hold for anything to be made of it."""

    kinds: ClassVar[dict[str, tuple[type, ...]]] = {"step": (int,), "metric": (str,), "value": (int, float),
                                          "flops": (int, float), "seconds": (int, float), "n": (int,)}  # fmt: skip
    finite = ("value", "flops", "seconds")  # JSON as Python reads it knows NaN and infinity

    def all(self, lines: list[dict[str, Any]]) -> bool:
        """Column by column: there may be a hundred thousand lines."""
        try:
            typed = all({*map(type, map(itemgetter(key), lines))} <= {*kinds} for key, kinds in self.kinds.items())
            return typed and all(all(map(math.isfinite, map(itemgetter(key), lines))) for key in self.finite)
        except KeyError:
            return False

    def wrong(self, line: dict[str, Any]) -> str:
        for key, kinds in self.kinds.items():
            if type(line.get(key)) not in kinds or (key in self.finite and not math.isfinite(line[key])):
                return f"{key} is {line.get(key)!r:.40}"
        return ""


class Named(Protocol):
    @property
    def name(self) -> str: ...


def design_of(run: Named) -> str:
    """A run's folder is named after its design, what a grid varies, and its seed."""
    return re.sub(r"-s\d+$", "", run.name)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key."""
    out: dict[str, Any] = {}
    for key, value in config.items():
        out.update(flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return out


@dataclass(frozen=True, eq=False)
class Run:
    """One run, read back; with `damage` what cannot be read is left out and named there, else it is an error."""

    folder: Path
    config: dict[str, Any]
    state: dict[str, Any]
    damage: Damage | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def sweep(self) -> str:
        return self.folder.parent.name

    @property
    def design(self) -> str:
        return design_of(self)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting but the design's axes, the seed, the hash and plugins, by its dotted key."""
        return flat({k: v for k, v in self.config.items() if k not in ("design", "seed", "hash", "plugins")})

    @property
    def seed(self) -> int:
        seed: int = self.config.get("seed", 0)
        return seed

    def curve(self) -> list[dict[str, Any]]:
        """The lines of curve.jsonl by step; points may have been measured in another order."""
        path = self.folder / CURVE
        return sorted(read_lines(path, self.damage, _Curve()), key=itemgetter("step")) if path.exists() else []

    def exams(self) -> dict[int, str]:
        """The id of the prompts of each evaluation, by step; lines are long and only their beginnings are parsed."""
        path = self.folder / PROMPTS
        if not path.exists():
            return {}
        raw = path.read_bytes()
        if raw and not (raw.endswith(b"}\n") and _is_text(raw)):
            read_lines(path, self.damage)  # names what is damaged
        lines = raw.decode(errors="replace").split("\n")
        return {int(found[1]): found[2] for line in lines if (found := _EXAM.match(line))}

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return read_lines(path, self.damage) if path.exists() else []


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def runs(results: str | PathLike[str], damage: Damage | None = None) -> list[Run]:
    """Every run under a folder.

    results  a results folder, a sweep's or a run's own
    damage   where given, damaged files are named in it and the rest is read; without it the first one is an error
    """
    folder = Path(results)
    if folder.is_file():
        raise RecordError(f"{folder}: is a file, not a folder of results")
    if not folder.is_dir():
        raise RecordError(f"{folder}: no such folder; `make sweep DESIGN=clip_flow` makes results")
    if not (paths := sorted(folder.rglob(CONFIG))):
        raise RecordError(f"{folder}: no runs in it (a run's folder holds {CONFIG}); `make sweep` makes some")
    found = list(_readable(paths, damage))
    if not found and damage:
        raise RecordError("; ".join(f"{path}: {wrong}" for path, wrong in damage.items()))
    return found


def _readable(paths: list[Path], damage: Damage | None) -> Iterator[Run]:
    for path in paths:
        config, wrong = parsed(path.read_bytes())
        status, state = path.with_name(STATUS), dict[str, Any]()
        if wrong:
            if damage is None:
                raise RecordError(f"{path}: the file {wrong}")
            damage[path] = f"the file {wrong}; the run is left out"
            continue
        if status.exists():
            state, wrong = parsed(status.read_bytes())
            if wrong and damage is None:
                raise RecordError(f"{status}: the file {wrong}")
        elif damage is not None and path.with_name(CURVE).exists():
            wrong = "is missing"
        if wrong and damage is not None:
            damage[status] = f"the file {wrong}; whether the run finished is not known, and it counts as unfinished"
        yield Run(path.parent, current(config), {"state": UNREADABLE if wrong else "unknown", **state}, damage)
