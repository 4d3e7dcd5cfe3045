"""Write a run's folder; `layout` says what lies in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from headtohead.records.ceilings import relative
from headtohead.records.json_files import as_text, read_lines, write
from headtohead.records.layout import (
    CHECKPOINTS,
    CONFIG,
    CURVE,
    EXAMS,
    GRIDS,
    KEPT,
    POINTS,
    PROGRESS,
    PROMPTS,
    RESCORED,
    STATUS,
    TRACEBACK,
)
from headtohead.records.leases import Lease, Taken, turn, unheld
from headtohead.utils.files import whole


@dataclass(frozen=True)
class Spent:
    """What a training had spent when a number was measured."""

    step: int
    samples: int
    flops: float  # of head and language model
    seconds: float
    flops_total: float | None = None  # of everything; older records lack it


class Recorder:
    """Writes the folder of one run, under a lease, or while nobody holds one.

    folder  the run's
    lease   the lease of this process on it
    """

    def __init__(self, folder: str | PathLike[str], lease: Lease | None = None) -> None:
        self.folder, self.lease = Path(folder), lease

    def check(self) -> None:
        """Raise `Taken` if another process holds the run, which it may have finished meanwhile."""
        if self.lease:
            self.lease.check()
        else:
            unheld(self.folder)

    def begin(self, config: Mapping[str, Any]) -> None:
        self.check()
        self.folder.mkdir(parents=True, exist_ok=True)
        for place in (self.folder, self.folder / KEPT, self.folder / CHECKPOINTS):
            for path in place.glob("*.part"):  # left by a process that was killed while writing
                path.unlink(missing_ok=True)
        write(self.folder / CONFIG, config)

    def status(self, state: str, **more: Any) -> None:
        self.check()
        write(self.folder / STATUS, {"state": state, **more})

    def ended(self, state: str, reason: str = "", details: str = "") -> None:
        """Record why a run ended, as far as that can be written and unless another process holds the run.

        state    failed or stopped
        reason   one line, for status and report
        details  traceback, for error.txt
        """
        with contextlib.suppress(OSError, Taken):  # the disk itself may be what failed
            self.folder.mkdir(parents=True, exist_ok=True)
            self.status(state, **({"reason": " ".join(reason.split())[:500]} if reason else {}))
            if details:
                (self.folder / TRACEBACK).write_text(details)

    def progress(self, about: Mapping[str, Any]) -> None:
        self.check()
        write(self.folder / PROGRESS, about)

    def prompt_set(self, name: str, prompts: Sequence[Mapping[str, Any]]) -> None:
        """Write the prompts of an evaluation, once for all runs of the sweep that use them."""
        path = self.folder.parent / EXAMS / f"{name}.json"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write(path, {"prompts": prompts})

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
        """Record all numbers of one evaluation, as its last step: after a kill all of them are there, or none.

        at              what the training had spent
        values          by metric
        n               pictures by metric, or by benchmark (what stands before the slash)
        representation  whose ceilings the values are compared with
        judge           model or program that scored the pictures
        mode            world, or the benchmark whose files were used
        """
        self._write(CURVE, numbers(at, values, n, representation, judge, mode))

    def rescored(self, how: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
        with turn(self.folder / POINTS / RESCORED):  # another process may score the same weights
            self._write(RESCORED, [{**line, "how": how} for line in lines])

    def prompts(self, step: int, exam: str, scores: Sequence[float], reasons: Mapping[int, str]) -> None:
        self._write(PROMPTS, [{"step": step, "exam": exam, "scores": scores, "reasons": reasons}])

    def _write(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines to a log, all of them or none; a last line that a kill cut off is removed."""
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
        """Steps whose weights were kept to be measured later, and are not measured yet."""
        steps = sorted(int(path.stem) for path in (self.folder / KEPT).glob("*.json"))
        return [step for step in steps if not self.measured(step)]

    def cut(self, last: int) -> None:
        """Remove what was recorded after a step, which will be measured again."""
        self._keep(lambda step: step <= last)

    def forget(self, step: int) -> None:
        """Remove what an evaluation recorded that was interrupted."""
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
    """One evaluation as lines of curve.jsonl: values, and shares of the ceiling of their representation."""
    out, spent = list[dict[str, Any]](), {name: cost for name, cost in vars(at).items() if cost is not None}
    for metric, value in values.items():
        top, share = relative(metric, value, representation)
        count = n.get(metric, n.get(metric.split("/")[0]))
        line = {"metric": metric, "value": value, "ceiling": top, "relative": share, "n": count}
        out.append({**spent, **line, "judge": judge, "mode": mode})
    return out
