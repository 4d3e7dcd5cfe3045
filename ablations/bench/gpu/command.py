"""Measure one GPU at the paper's sizes with random weights: training, sampling, judges, states. Needs no network.

What matters most comes first. Every row is written as soon as it is measured, and what does not fit into the budget is
listed as skipped.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ablations.bench.gpu import table
from ablations.bench.gpu.lines import BEST, FAILED, NEEDS, OUT, SKIPPED, Line, lines
from ablations.bench.gpu.rows import Rows
from ablations.bench.gpu.sizes import Sizes, tiny
from headtohead.config.parsing import known
from headtohead.utils.cli import Parser, seconds
from headtohead.utils.errors import InputError, Stopped
from headtohead.utils.processes import processes

T = TypeVar("T")
GROUPS = tuple(dict.fromkeys(line.group for line in lines()))
PLANNED = ("step", "sampling", "decoding")  # kinds of lines that the planner knows
KILLED = "its process was killed, by the system perhaps for want of memory"


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.bench.gpu", __doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of: {', '.join(GROUPS)}; all when none given")
    parser.add_argument("--budget", type=seconds, default=540.0, help="seconds for everything")
    parser.add_argument("--tiny", action="store_true", help="tiny models, to try the command without a GPU")
    parser.add_argument("--table", action="store_true", help="only write the README's table from the files of --out")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="file that holds the table")
    parser.add_folder("--out", Path("results/bench"), "folder for the JSON")
    parser.add_device()
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _bench(options), "stopped; what was measured is kept")


def _bench(options: argparse.Namespace) -> None:
    end = time.monotonic() + options.budget
    groups = [known(name, dict.fromkeys(GROUPS), "group") for name in options.groups] or GROUPS
    if not options.table:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        signal.signal(signal.SIGTERM, _stopped)
        with tempfile.TemporaryDirectory() as folder:
            sizes = tiny(Path(folder)) if options.tiny else Sizes()
            wanted = [line for line in lines(sizes.sweep, sizes.sampled) if line.group in groups]
            with Bench(sizes, options.device, options.out, end, options.budget) as bench:
                bench.measure(wanted)
    if not options.tiny and table.write(options.readme, options.out):
        print(f"{options.readme}: its table of GPUs is up to date")


# What the processes are asked for: only they load torch, while this one waits for them and writes.


def _begin(device: str | None) -> tuple[str, str, dict[str, Any]]:
    from ablations.bench.gpu import worker

    return worker.begin(device)


def _run(line: Line, sizes: Sizes, device: str, peak: float) -> tuple[dict[str, Any], bool]:
    from ablations.bench.gpu import worker

    return worker.run(line, sizes, device, peak)


def _begin_plans(sizes: Sizes) -> None:
    from ablations.bench.gpu import planned

    planned.begin(sizes)


def _figures(line: Line, gpu: str, peak: float) -> dict[str, float]:
    from ablations.bench.gpu import planned

    return planned.figures(line, gpu, peak)


def _stopped(number: int, frame: object) -> None:
    raise Stopped(128 + number)


class Bench:
    """The lines in one process, the plans of them in another, while time is left.

    sizes   of everything
    device  cpu or cuda; None: cuda when there is one
    folder  of the files
    end     when the budget is spent, in seconds of the monotonic clock
    budget  seconds, for messages
    """

    def __init__(self, sizes: Sizes, device: str | None, folder: Path, end: float, budget: float) -> None:
        self.sizes, self.end, self.budget = sizes, end, budget
        self.pool, self.planner = processes(1), processes(1)
        self.planner.submit(_begin_plans, sizes)
        self.plans: list[tuple[Line, Future[dict[str, float]]]] = []
        self.took: dict[str, float] = {}  # most seconds of a line by sort
        self.full: dict[tuple[str, str], int] = {}  # batches that did not fit into memory, by model
        self.device, self.gpu, about = self.pool.submit(_begin, device).result()
        self.rows = Rows(folder, f"{self.gpu}-tiny" if sizes.tiny else self.gpu, about)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in (self.pool, self.planner):
            pool.shutdown(wait=False, cancel_futures=True)
        for child in mp.active_children():
            child.kill()

    @property
    def left(self) -> float:
        return self.end - time.monotonic()

    def measure(self, wanted: list[Line]) -> None:
        """Measure lines in their order, and write a row for each of them, whatever happens."""
        if self.device == "cpu" and not self.sizes.tiny:
            raise InputError("this needs a GPU; --tiny tries the command without one")
        rest, halved = deque(wanted), set[Line]()
        try:
            while rest:
                line = rest[0]
                if line.counted and line.batch == BEST:
                    line = line.at(self._best(line))
                    halved.add(line)
                row = {SKIPPED: why} if (why := self._skipped(line)) else self._measured(line)
                rest.popleft()
                self._put(line, row)
                if OUT in row and line.of_sweep:
                    self.full[line.model] = line.batch
                elif OUT in row and line in halved and line.batch > 1:
                    rest.appendleft(smaller := line.at(line.batch // 2))
                    halved.add(smaller)
                self._plan(line, row)
            with suppress(Late):
                for _, plan in self.plans:
                    plan.exception(max(0.0, self.left))
        finally:
            for line in rest:
                self._put(line, {SKIPPED: "the command was stopped before"})
            self._planned()

    def _best(self, line: Line) -> int:
        """The batch of the fastest eager step of a line's model; BEST where none was measured."""
        swept = [Line("training", "step", *line.model, batch) for batch in self.sizes.sweep[line.model]]
        rates = {own.batch: float(rate) for own in swept if (rate := self.rows.get(own).get("pictures/s"))}
        return max(rates, key=rates.__getitem__, default=BEST)

    def _skipped(self, line: Line) -> str:
        """Why a line is not measured; empty where it is."""
        needed = self.took.get(line.sort, NEEDS[line.sort])
        if self.left < needed:
            return f"it takes about {needed:.0f} s, {max(0.0, self.left):.0f} s of {self.budget:.0f} were left"
        if line.of_sweep and line.batch > (most := self.full.get(line.model, line.batch)):
            return f"{most} at once ran out of memory"
        return "no eager step of this model was measured" if line.counted and line.batch == BEST else ""

    def _measured(self, line: Line) -> dict[str, Any]:
        began, peak = time.monotonic(), self.rows.get(Line("matmul", "matmul")).get("peak TFLOP/s", 0.0)
        try:
            row, healthy = self._within(self.pool.submit(_run, line, self.sizes, self.device, peak))
        except Late:
            return {SKIPPED: f"it was cut off after {time.monotonic() - began:.0f} s: {self.budget:.0f} s are over"}
        except BrokenProcessPool:
            row, healthy = {FAILED: KILLED}, False
        if not healthy:
            self.pool.shutdown(wait=False)
            self.pool = processes(1)
            self.pool.submit(_begin, self.device)
        self.took[line.sort] = max(self.took.get(line.sort, 0.0), time.monotonic() - began)
        return row

    def _within(self, future: Future[T]) -> T:
        return future.result(max(0.0, self.left))

    def _put(self, line: Line, row: dict[str, Any]) -> None:
        self.rows.put(line, row)
        print(f"{line.part:78} {shown(row)}", flush=True)

    def _plan(self, line: Line, row: dict[str, Any]) -> None:
        """Ask for the planner's figures of a measured line, and add those that are there to their rows."""
        if line.kind in PLANNED and "pictures/s" in row:
            peak = row.get("peak TFLOP/s", 0.0)
            self.plans.append((line, self.planner.submit(_figures, line, self.gpu, peak)))
        self._planned()

    def _planned(self) -> None:
        for line, plan in [one for one in self.plans if one[1].done()]:
            self.plans.remove((line, plan))
            error = plan.exception()
            self.rows.add(line, {"planned": f"failed: {error!r}"[:300]} if error else plan.result())


FORMATS: dict[str, Callable[[Any], str]] = {
    "pictures/s": lambda v: f"{v:9.2f} pictures/s", "TFLOP/s": lambda v: f"{v:7.1f} TFLOP/s",
    "share of peak": lambda v: f"{v:4.0%} of peak", "seconds": lambda v: f"{v:.2f} s",
    "seconds to save": lambda v: f"saved in {v:.1f} s", "seconds to resume": lambda v: f"resumed in {v:.1f} s",
    "peak MB": lambda v: f"{v / 1024:6.2f} GiB",
}  # fmt: skip


def shown(row: dict[str, Any]) -> str:
    """A row in one line of a terminal."""
    for reason in (SKIPPED, OUT, FAILED):
        if reason in row:
            return f"{reason}: {row[reason]}"
    if isinstance(row.get("TFLOP/s"), dict):
        return f"{row['peak TFLOP/s']:.1f} TFLOP/s"
    return ", ".join(form(row[name]) for name, form in FORMATS.items() if name in row)
