"""Points measured apart from the training: `python -m headtohead.apart FOLDER` takes the steps that a run left open.

A run with `evaluation.apart` only keeps its weights at every point. Any number of these processes share the open steps,
beside the training or after it, on machines of their own; who measures a step stands in `points/<step>/claims`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from headtohead import command, examining, owner, records, store
from headtohead.assemble import assemble
from headtohead.config import RunConfig, recorded
from headtohead.curves import record
from headtohead.errors import InputError
from headtohead.kept import kept, restore, spent
from headtohead.measured import Examiner
from headtohead.records import POINTS, Recorder
from headtohead.stopping import Asked


def measure(config: RunConfig, folder: Path, *, device: str, say: Callable[[str], None]) -> int:
    """How many points were measured: those that were open and that nobody else was at."""
    recorder, done = Recorder(folder), 0
    parts, examiner = assemble(config, device), None
    for step in recorder.open_points():
        try:
            with owner.claimed(folder / POINTS / f"{step:07d}"):
                if recorder.measured(step):
                    continue
                examiner = examiner or examining.build(config, parts, device, folder)
                restore(parts.generator, kept(folder)[step])
                _point(config, parts.generator, examiner, recorder, step, say)
                done += 1
        except owner.Taken as taken:
            say(f"{taken}")
    return done


def _point(
    config: RunConfig, generator: object, examiner: Examiner, recorder: Recorder, step: int, say: Callable[[str], None]
) -> None:
    say(f"{recorder.folder.name}: step {step:,}")
    measured = examiner.measure(generator, step == config.train.steps, step)  # type: ignore[arg-type]
    assert measured is not None  # one process, the first
    at = spent(recorder.folder, step)
    with owner.turn(recorder.folder / POINTS / "record"):  # others may be done with other steps at the same moment
        told = record(recorder, config, examiner, measured, at)
    say(f"{recorder.folder.name}: step {step:,}: {told}")
    if config.evaluation.keep == "last" and step != config.train.steps:
        kept(recorder.folder)[step].unlink()


def main(arguments: list[str] | None = None) -> int:
    parser = command.Parser("headtohead.apart", __doc__)
    parser.add_argument("folder", type=Path, help="of a run that keeps its weights at every point")
    parser.add_device()
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _measure(options.folder, options.device or store.best_device()))


def _measure(folder: Path, device: str) -> None:
    path = folder / records.CONFIG
    config = recorded(records.read_json(path), str(path))
    if not config.evaluation.apart:
        raise InputError(f"{folder}: measures its points itself (evaluation.apart is false)")
    with Asked():  # what is on disk is whole at any moment
        measure(config, folder, device=device, say=command.say)


if __name__ == "__main__":
    sys.exit(main())
