"""Measure the points of runs with evaluation.apart=true, which keep weights at their points instead of measuring."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ablations.posthoc.rescore import config_of
from ablations.sweep import launch as launching
from ablations.sweep.launch import Launch
from headtohead.config.run_config import RunConfig
from headtohead.records.layout import POINTS
from headtohead.records.read import Run, runs
from headtohead.records.recorder import Recorder
from headtohead.utils import compute
from headtohead.utils.cli import Parser, say
from headtohead.utils.errors import InputError
from headtohead.utils.processes import isolated

MODULE = "headtohead.eval.curve_points.measure_later"


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.posthoc.measure_points", __doc__)
    parser.add_argument("results", type=Path, help="a results folder, a sweep's or a run's")
    parser.add_device()
    launching.add_options(parser)
    options = parser.parse_args(given)
    return parser.concluded(lambda: _points(options))


def _points(options: argparse.Namespace) -> None:
    launch = launching.from_options(options)
    found = [(run, config_of(run)) for run in runs(options.results)]
    left = [(run, c) for run, c in found if c.evaluation.apart and Recorder(run.folder).open_points()]
    if not left:
        say(f"{options.results}: no point is open; only runs with evaluation.apart=true leave some")
    for run, config in left:
        _measure(run, config, launch, options.device)


def _measure(run: Run, config: RunConfig, launch: Launch, device: str | None) -> None:
    steps = Recorder(run.folder).open_points()
    say(f"{run.sweep}/{run.name}: {len(steps)} points to measure, from step {steps[0]:,} to {steps[-1]:,}")
    if launch.by == "local":
        isolated(_measure_here, config, run.folder, device)
        return
    words = [str(run.folder), *(["--device", device] if device else [])]
    place = run.folder / POINTS
    place.mkdir(exist_ok=True)
    if launch.by == "slurm":
        say(f"{run.name}: job {launch.submit(place, f'{run.sweep}/{run.name}/points', MODULE, words)}")
    elif code := launch.run(MODULE, words):
        raise InputError(f"{run.folder}: measuring its points ended with exit code {code}")


def _measure_here(config: RunConfig, folder: Path, device: str | None) -> None:
    from headtohead.eval.curve_points.measure_later import measure

    measure(config, folder, device=device or compute.best_device(), say=say)


if __name__ == "__main__":
    sys.exit(main())
