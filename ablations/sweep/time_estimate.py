"""What a sweep is going to do, and about how long it takes on this machine."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.sweep import sweep_file
from headtohead.config.run_config import RunConfig
from headtohead.records import json_files, layout
from headtohead.utils.cli import duration, say
from headtohead.utils.processes import isolated

if TYPE_CHECKING:
    from ablations.plan.timing import Pace


def announce(
    sweep: sweep_file.Sweep, runs: dict[str, RunConfig], states: dict[str, str], options: argparse.Namespace
) -> None:
    """What is going to happen, and about how long it takes on this machine."""
    say(f"sweep {sweep.name}: {len(runs)} run{'s' * (len(runs) != 1)} in {options.results / sweep.name}")
    todo = {name: run for name, run in runs.items() if states[name] != "finished"}
    paces: dict[str, Pace] = {}
    if todo and not options.no_estimate:
        say("timing a few steps of each design ...")
    whole = 0.0
    for name, run in runs.items():
        t, e = run.train, run.evaluation
        line = f"  {name:24} {states[name]:9} {t.steps:,} steps of {t.batch}, a point every {e.every:,}"
        if name in todo and not options.no_estimate:
            key = replace(run, seed=0).hash
            try:
                paces[key] = paces.get(key) or isolated(_pace, run, options.results / sweep.name / name, options)
            except Exception as error:
                say(f"{line}; cannot be timed: {error}")
                continue
            left = paces[key].seconds(run, reached(options.results / sweep.name / name))
            whole += left
            line += f", about {duration(left)}"
        say(line)
    if whole and len(todo) > 1:
        say(f"about {duration(whole)} in all; finished runs are skipped, unfinished ones go on from their last point")


def reached(folder: Path) -> int:
    """The last step that a run has on record."""
    path = folder / layout.CURVE
    return max((line["step"] for line in json_files.read_lines(path)), default=0) if path.exists() else 0


def _pace(config: RunConfig, folder: Path, options: argparse.Namespace) -> Pace:
    from ablations.plan import timing
    from headtohead.utils import compute

    return timing.measure(config, folder, options.device or compute.best_device())
