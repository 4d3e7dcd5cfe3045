"""The state of runs from their folders, for `make status`: files may be half written, damaged or missing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headtohead.config.parsing import ConfigError, differences
from headtohead.config.run_config import RunConfig, recorded
from headtohead.records import json_files, layout, read
from headtohead.records.layout import CONFIG, CURVE, PROGRESS, STATUS
from headtohead.records.leases import Holder, holder
from headtohead.records.metrics import METRICS
from headtohead.records.sweep_folder import SWEEP

SILENT = 120.0  # seconds without progress after which the run is reported as silent
DEPTH = 4  # levels of folders that are searched for runs
MOST_BYTES, TAIL = 1_000_000, 32_768  # read of a file; of the end of a curve, for its last point
CLOCKS = 240.0  # seconds by which clocks of machines may differ, where the file system's cannot be read
HUGE = 1e12  # larger numbers are damage
ENDED, FAILED, NEW, DAMAGED, GONE, PAUSED = "finished", "failed", "new", "unreadable", "lost", "paused"


@dataclass(frozen=True)
class Watched:
    """The state of one run."""

    name: str
    state: str
    step: int = 0
    steps: int = 0
    speed: float | None = None  # pictures a second
    left: float | None = None  # seconds, while a worker trains the run
    seconds_step: float | None = None  # including the points' share
    scores: dict[str, float] = field(default_factory=dict)  # of the last point, by metric
    worker: str = ""
    at_work: bool = False
    why: str = ""

    @property
    def waits(self) -> bool:
        return not self.at_work and self.state not in (ENDED, FAILED)


def sweeps(results: Path, now: float) -> dict[Path, list[Watched]]:
    """All runs, begun or planned, by the folder of their sweep.

    results  of all sweeps, of one, or a run
    now      time by the clock of the disk, in seconds
    """
    out: dict[Path, list[Watched]] = {}
    for folder in _folders(results, DEPTH):
        if (folder / CONFIG).is_file():
            out.setdefault(folder.parent, []).append(run(folder, now))
        elif (folder / SWEEP).is_file():
            out.setdefault(folder, [])
    for folder, found in out.items():
        if (results / CONFIG).is_file():  # only this run was requested
            break
        planned, there = _mapping(_whole(folder / SWEEP)[0].get("runs")), {r.name for r in found}
        found += [
            Watched(str(name), NEW, steps=int(_number(steps) or 0))
            for name, steps in planned.items()
            if name not in there
        ]
    return {folder: found for folder, found in sorted(out.items()) if found}


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """A folder and the folders below it, except those of a run."""
    yield folder
    if depth == 0 or (folder / CONFIG).is_file():
        return
    try:
        below = sorted(e.path for e in os.scandir(folder) if e.is_dir(follow_symlinks=False) and e.name[0] != ".")
    except OSError:
        return
    for path in below:
        yield from _folders(Path(path), depth - 1)


def run(folder: Path, now: float) -> Watched:
    """The state of one run; its last record is compared with its lease, as its worker may have died.

    folder  of the run
    now     time by the clock of the file system, in seconds since the epoch
    """
    found = {name: _whole(folder / name) for name in (CONFIG, STATUS, PROGRESS)}
    config, status, progress = (value for value, _ in found.values())
    held, (point, scores, cut) = _held(folder, now), _last_point(folder / CURVE)
    alive = held is not None and held.alive and status.get("state") != ENDED
    reported, age = _number(progress.get("time")) or 0.0, max(0.0, now - _changed(folder / PROGRESS, now))
    fresh = alive and held is not None and reported >= held.since  # otherwise the previous holder wrote it
    steps = _number(_mapping(config.get("train")).get("steps")) or _number(progress.get("steps")) or 0
    reached = max(point, _number(progress.get("step")) or 0)
    spent = [_number(status.get(f"seconds_{what}")) for what in ("training", "measuring")]
    state, left, seconds_step = _state(folder, status, held, point), None, None
    if state == ENDED:
        reached = steps = _number(status.get("steps")) or steps
        seconds_step = sum(filter(None, spent)) / steps if steps and any(spent) else None
    why = str(status.get("reason", "")) if state in (FAILED, PAUSED) else ""
    damage = [f"{name} {wrong}" for name, (_, wrong) in found.items() if wrong and name != PROGRESS and point]
    if damage and not alive:
        state = DAMAGED
    why = "; ".join(filter(None, (why, *damage, cut)))
    if alive and state != PAUSED:
        state = str(progress.get("doing", "running")) if fresh else "starting"
        left = _number(progress.get("seconds_left")) if fresh else None
        if left is not None:
            seconds_step = left / (steps - reached) if steps > reached else None
            left = max(0.0, left - age)
        if fresh and age > SILENT:
            why = f"no progress for {round(age / 60)} min"
    return Watched(
        folder.name,
        state,
        int(reached),
        int(steps),
        _number(progress.get("samples_per_second")) if fresh and state != PAUSED else None,
        left,
        seconds_step,
        scores,
        _who(status, held, state),
        alive,
        why,
    )


def _held(folder: Path, now: float) -> Holder | None:
    try:
        return holder(folder, now)
    except OSError:
        return None


def _state(folder: Path, status: Mapping[str, Any], held: Holder | None, point: float) -> str:
    """The recorded state; `lost` if it says running and the worker died, `stopped` if it released the lease."""
    if "state" not in status:
        return DAMAGED if (folder / STATUS).exists() or point else NEW
    recorded = str(status["state"])
    if recorded not in ("running", PAUSED) or held is None or held.alive:
        return recorded
    if held.released:
        return recorded if recorded == PAUSED else "stopped"
    return GONE


def _changed(path: Path, now: float) -> float:
    """Modification time, by the clock of the file system."""
    try:
        return path.stat().st_mtime
    except OSError:
        return now


def _who(status: Mapping[str, Any], held: Holder | None, state: str) -> str:
    if state == GONE or (held and held.alive and state != ENDED):
        return str(held) if held else ""
    return f"job {status['job']}" if state == "queued" and "job" in status else ""


def _last_point(path: Path) -> tuple[float, dict[str, float], str]:
    """Step and headline scores of the last point on record, and whether the last line is damaged."""
    at: float | None = None
    out: dict[str, float] = {}
    lines = _tail(path)
    cut = f"the last line of {CURVE} is cut off" if lines and lines[-1] and not _parsed(lines[-1]) else ""
    for line in reversed(lines):
        row = _parsed(line)
        step, metric, value = _number(row.get("step")), row.get("metric"), _number(row.get("value"), -HUGE)
        if step is None:
            continue
        if at is None:
            at = step
        if step != at:
            break
        if str(metric) in METRICS and METRICS[str(metric)].headline and value is not None:
            out.setdefault(str(metric), value)
    return at or 0.0, out, cut


def _tail(path: Path) -> list[str]:
    """The last lines of a log; the first one may be incomplete."""
    try:
        with path.open("rb") as file:
            file.seek(-min(TAIL, path.stat().st_size), os.SEEK_END)
            return file.read().decode(errors="replace").split("\n")
    except OSError:
        return []


def _whole(path: Path) -> tuple[dict[str, Any], str]:
    """The object in a JSON file, and what is wrong with the file; empty where nothing is."""
    try:
        with path.open("rb") as file:
            return json_files.parsed(file.read(MOST_BYTES))
    except OSError:
        return {}, "cannot be read" if path.exists() else "is missing"


def _parsed(text: str | bytes) -> dict[str, Any]:
    try:
        return _mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any, least: float = 0) -> float | None:
    """A finite number in the plausible range, or None."""
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= HUGE
    return float(value) if usable else None


def state_of(folder: Path, config: RunConfig) -> str:
    """finished, started or new; raises if the folder holds another configuration, naming what differs.

    folder  of the run
    config  that the run would have
    """
    path = folder / layout.CONFIG
    if not path.exists():
        return "new"
    (run,) = read.runs(folder)
    own = recorded(run.config, str(path))
    if own != config:
        raise ConfigError(
            f"{path}: holds another configuration ({differences(own.plain(), config.plain())}); move it away"
        )
    return "finished" if run.state["state"] == "finished" else "started"
