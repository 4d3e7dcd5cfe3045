"""One trial of a search as a run of its own: trained where it was left, scored, told to the study; or why it failed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.sweep.watch import state_of
from ablations.tune import best_of_grid
from ablations.tune.liveness import RUN
from ablations.tune.trials import Held, Trials
from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import RunConfig
from headtohead.records import json_files, leases, read, recorder
from headtohead.utils.cli import say
from headtohead.utils.errors import GivenUp, printable
from headtohead.utils.processes import isolated

if TYPE_CHECKING:
    from ablations.tune.pruning import Pruning


@dataclass(frozen=True)
class Place:
    """Where a study's trials lie and are computed."""

    folder: Path
    cache: Path
    device: str | None
    storage: str
    prune: bool


def named(design: str, number: int, seed: int) -> str:
    """A trial's folder, named as a grid's runs are."""
    return f"{design}+trial={number:03d}-s{seed}"


def attempt(trials: Trials, held: Held, at: Place) -> str:
    """Why the trial failed; empty when it did not, or when another process trains its run."""
    name = named(trials.design, held.number, trials.search.seed)
    folder, settings = at.folder / name, written(held.values)
    held.trial.set_user_attr(RUN, name)
    try:
        config = trials.search.config(trials.design, held.values)
    except ConfigError as impossible:
        return _failed(held, folder, name, f"{impossible}")
    done = state_of(folder, config) == "finished"  # a folder of something else is no failure of this trial
    try:
        if not done:
            say(f"{name}: {settings}")
            told = _pruning(trials, held, at, config) if at.prune else None
            isolated(_fit, config, folder, at.cache, at.device, told)
        value = outcome(folder)
    except GivenUp as pruned:
        held.pruned()
        recorder.Recorder(folder).ended("failed", f"{pruned} by the search")
        say(f"{name}: {pruned}")
        return ""
    except leases.Taken as taken:
        trials.watch.leave(held.number)
        say(f"{name}: {taken}; left to it")
        return ""
    except Exception as error:
        return _failed(held, folder, name, f"{type(error).__name__}: {error}")
    held.finished(value)
    say(f"{name}: {value:.4f} ({settings})")
    return ""


def _failed(held: Held, folder: Path, name: str, reason: str) -> str:
    reason = printable(" ".join(reason.split()))[:500]
    held.failed(reason)
    recorder.Recorder(folder).ended("failed", reason)
    say(f"{name}: failed: {reason}")
    return reason


def _fit(config: RunConfig, folder: Path, cache: Path, device: str | None, told: Pruning | None) -> None:
    # The training process alone imports torch and lightning.
    from headtohead.training.callbacks import loggers
    from headtohead.training.run import train
    from headtohead.utils import compute

    train(config, folder, cache, device=device or compute.best_device(), say=say, log=told or loggers.none)


def _pruning(trials: Trials, held: Held, at: Place, config: RunConfig) -> Pruning:
    from ablations.tune.pruning import Pruning

    return Pruning(at.storage, trials.study.study_name, held.number, config.train.steps)


def outcome(folder: Path) -> float:
    """What decides, of a finished run's last point."""
    (run,) = read.runs(folder)
    lines = run.curve()
    last = max((line["step"] for line in lines), default=0)
    numbers = {line["metric"]: float(line["value"]) for line in lines if line["step"] == last}
    if missing := [m for m in best_of_grid.METRICS if not math.isfinite(numbers.get(m, math.nan))]:
        raise json_files.RecordError(f"{folder}: its last point has no {', '.join(missing)}")
    return best_of_grid.score(numbers)


def written(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())
