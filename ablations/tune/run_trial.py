"""Train and score one trial as a run of its own, and store its score, or why it failed, in the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.sweep.watch import state_of
from ablations.tune import best_of_grid
from ablations.tune.liveness import RUN
from ablations.tune.trials import ActiveTrial, Trials
from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import RunConfig
from headtohead.records import json_files, leases, read, recorder
from headtohead.utils.cli import say
from headtohead.utils.errors import GivenUp, printable
from headtohead.utils.processes import isolated

if TYPE_CHECKING:
    from ablations.tune.pruning import Pruning


@dataclass(frozen=True)
class Setup:
    """What all trials of a search are run with.

    folder   of the study; each trial's run is a folder in it
    cache    folder of encoded pictures
    device   cpu or cuda; None = cuda where there is one
    storage  address of the study's database
    prune    whether trials that trail behind end early
    """

    folder: Path
    cache: Path
    device: str | None
    storage: str
    prune: bool


def run_name(design: str, number: int, seed: int) -> str:
    """Name of a trial's folder, in the form of a grid's runs."""
    return f"{design}+trial={number:03d}-s{seed}"


def run(trials: Trials, trial: ActiveTrial, setup: Setup) -> str:
    """Train a trial from its last checkpoint, score it, and store the score.

    Returns why it failed; empty where it did not, or where another process trains its run.
    """
    name = run_name(trials.design, trial.number, trials.search.seed)
    folder, settings = setup.folder / name, described(trial.values)
    trial.trial.set_user_attr(RUN, name)
    try:
        config = trials.search.config(trials.design, trial.values)
    except ConfigError as impossible:
        return _failed(trial, folder, name, f"{impossible}")
    done = state_of(folder, config) == "finished"  # raises, and fails no trial, where the folder holds another run
    try:
        if not done:
            say(f"{name}: {settings}")
            pruning = _pruning(trials, trial, setup, config) if setup.prune else None
            isolated(_train, config, folder, setup.cache, setup.device, pruning)
        value = final_score(folder)
    except GivenUp as pruned:
        trial.pruned()
        recorder.Recorder(folder).ended("failed", f"{pruned} by the search")
        say(f"{name}: {pruned}")
        return ""
    except leases.Taken as taken:
        trials.monitor.defer(trial.number)
        say(f"{name}: {taken}; left to it")
        return ""
    except Exception as error:
        return _failed(trial, folder, name, f"{type(error).__name__}: {error}")
    trial.finished(value)
    say(f"{name}: {value:.4f} ({settings})")
    return ""


def _failed(trial: ActiveTrial, folder: Path, name: str, reason: str) -> str:
    reason = printable(" ".join(reason.split()))[:500]
    trial.failed(reason)
    recorder.Recorder(folder).ended("failed", reason)
    say(f"{name}: failed: {reason}")
    return reason


def _train(config: RunConfig, folder: Path, cache: Path, device: str | None, pruning: Pruning | None) -> None:
    # The training process alone imports torch and lightning.
    from headtohead.training.callbacks import loggers
    from headtohead.training.run import train
    from headtohead.utils import compute

    train(config, folder, cache, device=device or compute.best_device(), say=say, log=pruning or loggers.none)


def _pruning(trials: Trials, trial: ActiveTrial, setup: Setup, config: RunConfig) -> Pruning:
    from ablations.tune.pruning import Pruning

    return Pruning(setup.storage, trials.study.study_name, trial.number, config.train.steps)


def final_score(folder: Path) -> float:
    """The score that the search maximizes, at a finished run's last point."""
    (run,) = read.runs(folder)
    lines = run.curve()
    last = max((line["step"] for line in lines), default=0)
    numbers = {line["metric"]: float(line["value"]) for line in lines if line["step"] == last}
    if lacking := best_of_grid.missing(numbers):
        raise json_files.RecordError(f"{folder}: its last point has no {', '.join(lacking)}")
    return best_of_grid.score(numbers)


def described(values: Mapping[str, Any]) -> str:
    """Settings for a line of text."""
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())
