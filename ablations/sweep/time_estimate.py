"""Print the runs of a sweep, and estimate how long they take on this machine."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from ablations.sweep import sweep_file
from headtohead.config.parsing import ConfigError, build
from headtohead.config.run_config import RunConfig
from headtohead.records import json_files, layout
from headtohead.utils.cli import duration, say
from headtohead.utils.processes import isolated

SMALL = 15_000  # pictures in training; smaller runs take about as long as timing them, and are not timed
TIMINGS = "timings.json"  # in the cache folder, so that a resumed sweep is not timed again


@dataclass(frozen=True)
class Timing:
    """Measured speed of a run, and the number of pictures that its points paint."""

    step: float  # seconds of a training step
    picture: float  # seconds to paint and score a picture
    a_point: float  # pictures of a point before the last
    pictures: float  # of all points

    def seconds(self, config: RunConfig, done: int = 0) -> float:
        """Seconds from a step to the end, including points.

        config  of the run
        done    steps that are done
        """
        pictures = self.pictures - done // config.evaluation.every * self.a_point
        return (config.train.steps - done) * self.step + pictures * self.picture


def announce(
    sweep: sweep_file.Sweep, runs: Mapping[str, RunConfig], states: Mapping[str, str], options: argparse.Namespace
) -> None:
    """Print the runs of a sweep and about how long each takes.

    sweep    to be run
    runs     every run by name
    states   finished, started or new, by run
    options  results, cache, device and no_estimate
    """
    folder = options.results / sweep.name
    say(f"sweep {sweep.name}: {len(runs)} run{'s' * (len(runs) != 1)} in {folder}")
    if sweep.note:
        say(sweep.note)
    todo = {name: run for name, run in runs.items() if states[name] != "finished"}
    timed = {} if options.no_estimate else _timed(todo, folder, options)
    whole = 0.0
    for name, run in runs.items():
        t, e = run.train, run.evaluation
        line = f"  {name:24} {states[name]:9} {t.steps:,} steps of {t.batch}, a point every {e.every:,}"
        if name in timed:
            left = timed[name].seconds(run, reached(folder / name))
            whole += left
            line += f", about {duration(left)}"
        say(line)
    if whole and len(todo) > 1:
        say(f"about {duration(whole)} in all; finished runs are skipped, unfinished ones go on from their last point")


def _timed(todo: Mapping[str, RunConfig], folder: Path, options: argparse.Namespace) -> dict[str, Timing]:
    """Timings by run; runs that differ only in their seed share one, and earlier timings are reused.

    A single run is not timed: loading everything for that takes longer than its own first steps, which say it too.
    """
    known, out = _read(options.cache), dict[str, Timing]()
    keys = {name: _key(run, options) for name, run in todo.items() if run.train.steps * run.train.batch > SMALL}
    new = list(dict.fromkeys(key for key in keys.values() if key not in known)) if len(todo) > 1 else []
    for name, key in keys.items():
        if key in new and key not in known:
            say(f"timing a few steps of {name} ({new.index(key) + 1} of {len(new)}; ESTIMATE=0 skips this) ...")
            try:
                known[key] = isolated(_timing, todo[name], folder / name, options)
            except Exception as error:
                say(f"  {name}: cannot be timed: {error}")
                new.remove(key)
                continue
            with contextlib.suppress(OSError):  # without the file it is timed again
                options.cache.mkdir(parents=True, exist_ok=True)
                json_files.write(options.cache / TIMINGS, {k: vars(timing) for k, timing in known.items()})
        if key in known:
            out[name] = known[key]
    return out


def _key(run: RunConfig, options: argparse.Namespace) -> str:
    """The cache key: everything that a timing depends on."""
    threads = os.environ.get("OMP_NUM_THREADS", os.cpu_count())
    return f"{replace(run, seed=0).hash} {platform.node()} {options.device} {threads} torch {metadata.version('torch')}"


def _read(cache: Path) -> dict[str, Timing]:
    try:
        found = json_files.read_json(cache / TIMINGS)
        return {str(key): build(Timing, timing) for key, timing in found.items()}
    except (OSError, json_files.RecordError, ConfigError):
        return {}


def reached(folder: Path) -> int:
    """The last step that a run has recorded a point of."""
    path = folder / layout.CURVE
    return max((line["step"] for line in json_files.read_lines(path)), default=0) if path.exists() else 0


def _timing(config: RunConfig, folder: Path, options: argparse.Namespace) -> Timing:
    from ablations.plan import timing
    from headtohead.utils import compute

    step, picture, points = timing.measure(config, folder, options.device or compute.best_device())
    return Timing(step, picture, points.a_point, points.pictures)
