"""A run's record: `<results>/<sweep>/<run>/`, append-only, read back as a table.

    config.json      the resolved configuration
    curve.jsonl      a line a number: step, samples, flops, seconds, flops_total, metric, value, ceiling, relative, n,
                     judge, mode
    prompts.jsonl    a line an evaluation: the exam's id, each prompt's score, and why the wrong ones are wrong
    rescored.jsonl   numbers of the kept weights under other sampling or another judge, as in curve.jsonl with `how`
    kept/            averaged weights, to be scored again
    grids/           pictures of an evaluation: one of many prompts each, several of few
    status.json      queued, running, paused, stopped, finished, or failed and why; what the run was made of and cost
    progress.json    while it runs: step, speed, time left
    claims/          who works on it
    points/          who measures a step apart from the training

and beside the runs `<sweep>/exams/<id>.json`, what the prompts are. Reading needs no torch.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from headtohead.files import whole
from headtohead.limits import relative
from headtohead.logs import RecordError as RecordError
from headtohead.logs import as_text
from headtohead.logs import read_json as read_json
from headtohead.logs import read_lines as read_lines
from headtohead.logs import write as write
from headtohead.owner import Claim, Taken, turn, unheld

HEADLINE = {"geneval/overall": "GenEval", "dpg/overall": "DPG", "fid": "FID"}  # figure 4 of the paper
CURVE, PROMPTS, RESCORED = "curve.jsonl", "prompts.jsonl", "rescored.jsonl"
CONFIG, STATUS, GRIDS, EXAMS, KEPT = "config.json", "status.json", "grids", "exams", "kept"
PROGRESS, POINTS, CHECKPOINTS = "progress.json", "points", "checkpoints"
TRACEBACK = "error.txt"
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
class Spent:
    """Where in the training a number was measured."""

    step: int
    samples: int
    flops: float  # of head and language model
    seconds: float
    flops_total: float | None = None  # of everything; older records lack it


class Recorder:
    """Writes one run's folder: what the run is, its owner alone says, or whoever looks after it while it has none."""

    def __init__(self, folder: Path, claim: Claim | None = None) -> None:
        self.folder, self.claim = folder, claim

    def check(self) -> None:
        """`Taken` when the run is somebody else's, who may have finished it meanwhile."""
        if self.claim:
            self.claim.check()
        else:
            unheld(self.folder)

    def begin(self, config: Mapping[str, Any]) -> None:
        self.check()
        self.folder.mkdir(parents=True, exist_ok=True)
        for place in (self.folder, self.folder / KEPT, self.folder / CHECKPOINTS):
            for path in place.glob("*.part"):  # of whoever was killed while writing it
                path.unlink(missing_ok=True)
        write(self.folder / CONFIG, config)

    def status(self, state: str, **more: Any) -> None:
        self.check()
        write(self.folder / STATUS, {"state": state, **more})

    def ended(self, state: str, reason: str = "", details: str = "") -> None:
        """As far as that can be written, and unless the run is somebody else's by now."""
        with contextlib.suppress(OSError, Taken):  # the disk itself may be what failed
            self.folder.mkdir(parents=True, exist_ok=True)
            self.status(state, **({"reason": " ".join(reason.split())[:500]} if reason else {}))
            if details:
                (self.folder / TRACEBACK).write_text(details)

    def progress(self, about: Mapping[str, Any]) -> None:
        self.check()
        write(self.folder / PROGRESS, about)

    def exam(self, name: str, asked: Sequence[Mapping[str, Any]]) -> None:
        """What is asked, once for all runs that sit the same exam."""
        path = self.folder.parent / EXAMS / f"{name}.json"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write(path, {"prompts": asked})

    def append(
        self,
        at: Spent,
        values: Mapping[str, float],
        n: Mapping[str, int],
        *,
        representation: str,
        judge: str,
        mode: str = "world",
    ) -> None:
        """All numbers of one evaluation, the last of it: a kill leaves a whole evaluation or none."""
        self._write(CURVE, numbers(at, values, n, representation, judge, mode))

    def rescored(self, how: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
        with turn(self.folder / POINTS / RESCORED):  # other judges may be at the same weights
            self._write(RESCORED, [{**line, "how": how} for line in lines])

    def prompts(self, step: int, exam: str, scores: Sequence[float], reasons: Mapping[int, str]) -> None:
        self._write(PROMPTS, [{"step": step, "exam": exam, "scores": scores, "reasons": reasons}])

    def _write(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Behind the whole lines that are there; all of these or none, since one of them stands for all."""
        path = self.folder / name
        before = path.read_bytes() if path.exists() else b""
        if before and not before.endswith(b"\n"):
            before = as_text(read_lines(path))
        whole(path, before + as_text(lines))

    def grid(self, step: int, kind: str) -> Path:
        path = self.folder / GRIDS / f"{step:07d}-{kind}.webp"
        path.parent.mkdir(exist_ok=True)
        return path

    def measured(self, step: int) -> bool:
        """Whether the evaluation of this step is on record."""
        path = self.folder / CURVE
        return path.exists() and any(line["step"] == step for line in read_lines(path))

    def open_points(self) -> list[int]:
        """Steps whose weights were kept to be measured apart, and were not yet."""
        steps = sorted(int(path.stem) for path in (self.folder / KEPT).glob("*.json"))
        return [step for step in steps if not self.measured(step)]

    def cut(self, last: int) -> None:
        """Forget what was recorded behind a step: it will be measured again."""
        self._keep(lambda step: step <= last)

    def forget(self, step: int) -> None:
        """What a point left that was broken off while it was recorded."""
        self._keep(lambda other: other != step)

    def _keep(self, wanted: Callable[[int], bool]) -> None:
        for name in (CURVE, PROMPTS):
            path = self.folder / name
            if not path.exists():
                continue
            text, lines = path.read_text(), read_lines(path)
            kept = [line for line in lines if wanted(line["step"])]
            if text and (not text.endswith("\n") or len(kept) < len(lines)):
                whole(path, as_text(kept))


def numbers(
    at: Spent, values: Mapping[str, float], n: Mapping[str, int], representation: str, judge: str, mode: str
) -> list[dict[str, Any]]:
    """One evaluation as lines of a record: raw values, and as shares of what their representation could reach."""
    out, spent = list[dict[str, Any]](), {name: cost for name, cost in vars(at).items() if cost is not None}
    for metric, value in values.items():
        top, share = relative(metric, value, representation)
        count = n.get(metric, n.get(metric.split("/")[0]))
        line = {"metric": metric, "value": value, "ceiling": top, "relative": share, "n": count}
        out.append({**spent, **line, "judge": judge, "mode": mode})
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
