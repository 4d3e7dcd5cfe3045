"""A run's points told to its trial: one that trails behind the others at the same step is given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from lightning.pytorch.loggers import Logger
from optuna.trial import Trial

from ablations.tune import best_of_grid
from ablations.tune.trials import open_storage
from headtohead.utils.errors import GivenUp


@dataclass(frozen=True)
class Pruning:
    """How the process that trains finds its trial; `steps` is where a run ends, and nothing is given up there."""

    storage: str
    study: str
    number: int
    steps: int

    def __call__(self, start: int) -> Sequence[Logger]:
        study = optuna.load_study(
            study_name=self.study, storage=open_storage(self.storage), pruner=optuna.pruners.MedianPruner()
        )
        own = study.get_trials(deepcopy=False)[self.number]
        return [_Teller(Trial(study, own._trial_id), self.steps)]


class _Teller(Logger):
    """Lightning's pruning callback reports by epoch, and these trainings have but one."""

    name, version = "trial", 0

    def __init__(self, trial: Trial, steps: int) -> None:
        super().__init__()
        self.trial, self.steps = trial, steps

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is None or step >= self.steps or not set(best_of_grid.METRICS) <= set(metrics):
            return  # of a step, or of the end
        told = self.trial.study.get_trials(deepcopy=False)[self.trial.number].intermediate_values
        if step not in told:  # else it is measured again after an interruption
            self.trial.report(best_of_grid.score(metrics), step)
        if self.trial.should_prune():
            raise GivenUp(f"pruned at step {step}")

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        return
