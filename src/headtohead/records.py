"""A run's record: `<results>/<sweep>/<run>/`, append-only, read back as a table.

    config.json     the resolved configuration and what it belongs to
    curve.jsonl     a line a number: step, samples, flops, seconds, metric, value, n, judge, mode
    prompts/        a file an evaluation: every prompt with its score
    grids/          a picture an evaluation
    status.json     running, finished or failed, and why

Reading needs neither torch nor the library above this floor.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CURVE, CONFIG, STATUS = "curve.jsonl", "config.json", "status.json"


class RecordError(ValueError):
    """A results folder that cannot be read, with the place."""


@dataclass(frozen=True)
class Spent:
    """Where in the training a number was measured."""

    step: int
    samples: int
    flops: float
    seconds: float


class Recorder:
    """Writes one run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, config: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write(self.folder / CONFIG, config)

    def status(self, state: str, **more: Any) -> None:
        write(self.folder / STATUS, {"state": state, **more})

    def append(
        self, at: Spent, values: Mapping[str, float], n: Mapping[str, int], judge: str, mode: str = "world"
    ) -> None:
        """All numbers of one evaluation in one write: a kill leaves a whole evaluation or none."""
        number = {metric: n.get(metric, n.get(metric.split("/")[0])) for metric in values}
        lines = [
            {**vars(at), "metric": metric, "value": value, "n": number[metric], "judge": judge, "mode": mode}
            for metric, value in values.items()
        ]
        with (self.folder / CURVE).open("a") as f:
            f.write("".join(json.dumps(line) + "\n" for line in lines))
            f.flush()
            os.fsync(f.fileno())

    def prompts(self, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        path = self.folder / "prompts" / f"{step:07d}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def grid(self, step: int) -> Path:
        path = self.folder / "grids" / f"{step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        return path

    def cut_behind(self, step: int) -> None:
        """Forget what was recorded behind a checkpoint that a run goes on from: it will be measured again."""
        path = self.folder / CURVE
        if path.exists():
            kept = [line for line in _lines(path) if line["step"] <= step]
            beside = path.with_suffix(".part")
            beside.write_text("".join(json.dumps(line) + "\n" for line in kept))
            os.replace(beside, path)


def write(path: Path, value: Any) -> None:
    """JSON, written beside and renamed."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(beside, path)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; a last line that a kill cut short is left out."""
    text = path.read_text()
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            out.append(json.loads(line))
        except json.JSONDecodeError:
            if number == len(text.splitlines()) and not text.endswith("\n"):
                break
            raise RecordError(f"{path}: line {number} is no JSON") from None
    return out


def _json(path: Path) -> dict[str, Any]:
    try:
        out: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise RecordError(f"{path}: no JSON ({error.msg}, line {error.lineno})") from None
    return out


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
        path = self.folder / CURVE
        return _lines(path) if path.exists() else []


def runs(results: Path) -> list[Run]:
    """Every run under a folder: a results folder, a sweep's or a run's own."""
    if not results.is_dir():
        raise RecordError(f"{results}: no such folder; `make sweep DESIGN=clip_flow` makes results")
    found = []
    for path in sorted(results.rglob(CONFIG)):
        status = path.with_name(STATUS)
        found.append(Run(path.parent, _json(path), _json(status) if status.exists() else {"state": "unknown"}))
    if not found:
        raise RecordError(f"{results}: no runs in it (a run's folder holds {CONFIG}); `make sweep` makes some")
    return found
