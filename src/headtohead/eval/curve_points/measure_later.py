"""Measure points of a curve separately from training: `python -m headtohead.eval.curve_points.measure_later FOLDER`.

A run with `evaluation.apart` keeps its weights at every point and measures nothing. Any number of these processes share
the open points, during training or after it, on any machine; leases in `points/<step>/claims` say who measures which.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from headtohead.config.run_config import RunConfig, recorded
from headtohead.eval.curve_points import build
from headtohead.eval.curve_points.base import Evaluator
from headtohead.eval.curve_points.record import record
from headtohead.models.build import assemble
from headtohead.records import json_files, layout, leases
from headtohead.records.kept_weights import kept, restore, spent
from headtohead.records.layout import POINTS
from headtohead.records.recorder import Recorder
from headtohead.utils import cli, compute
from headtohead.utils.errors import InputError
from headtohead.utils.processes import StopSignals


def measure(config: RunConfig, folder: Path, *, device: str, say: Callable[[str], None]) -> int:
    """Measure the open points that no other process is measuring; returns their number.

    config  of the run
    folder  of the run
    device  cpu or cuda
    say     prints a line
    """
    recorder, done = Recorder(folder), 0
    parts, evaluator = assemble(config, device, folder), None
    for step in recorder.open_points():
        try:
            with leases.acquire(folder / POINTS / f"{step:07d}"):
                if recorder.measured(step):
                    continue
                evaluator = evaluator or build.build(config, parts, device, folder)
                restore(parts.generator, kept(folder)[step])
                _point(config, parts.generator, evaluator, recorder, step, say)
                done += 1
        except leases.Taken as taken:
            say(f"{taken}")
    return done


def _point(
    config: RunConfig,
    generator: object,
    evaluator: Evaluator,
    recorder: Recorder,
    step: int,
    say: Callable[[str], None],
) -> None:
    say(f"{recorder.folder.name}: step {step:,}")
    measured = evaluator.measure(generator, step == config.train.steps, step)  # type: ignore[arg-type]
    assert measured is not None  # None on ranks above 0 only
    at = spent(recorder.folder, step)
    with leases.turn(recorder.folder / POINTS / "record"):  # other processes may record other steps at the same moment
        scores = record(recorder, config, evaluator, measured, at)
    say(f"{recorder.folder.name}: step {step:,}: {scores}")
    if config.evaluation.keep == "last" and step != config.train.steps:
        kept(recorder.folder)[step].unlink()


def main(arguments: list[str] | None = None) -> int:
    parser = cli.Parser("headtohead.eval.curve_points.measure_later", __doc__)
    parser.add_argument("folder", type=Path, help="of a run that keeps its weights at every point")
    parser.add_device()
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _measure(options.folder, options.device or compute.best_device()))


def _measure(folder: Path, device: str) -> None:
    path = folder / layout.CONFIG
    config = recorded(json_files.read_json(path), str(path))
    if not config.evaluation.apart:
        raise InputError(f"{folder}: measures its points itself (evaluation.apart is false)")
    with StopSignals():  # files on disk are complete at any moment, so a signal may end the process at once
        measure(config, folder, device=device, say=cli.say)


if __name__ == "__main__":
    sys.exit(main())
