"""Report a training's points to its trial, and end it where its score is below the median of others at that step."""

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
    """Makes the logger that reports to a trial, in the process that trains.

    storage  address of the study's database
    study    the study's name there
    number   the trial's number
    steps    of the whole run; at its last step nothing is pruned, as nothing would be saved
    """

    storage: str
    study: str
    number: int
    steps: int

    def __call__(self, start: int) -> Sequence[Logger]:
        study = optuna.load_study(
            study_name=self.study, storage=open_storage(self.storage), pruner=optuna.pruners.MedianPruner()
        )
        own = study.get_trials(deepcopy=False)[self.number]
        return [_PruningLogger(Trial(study, own._trial_id), self.steps)]


class _PruningLogger(Logger):
    """A logger, because Optuna's callback for Lightning reports once an epoch, and these trainings have only one."""

    name, version = "trial", 0

    def __init__(self, trial: Trial, steps: int) -> None:
        super().__init__()
        self.trial, self.steps = trial, steps

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is None or step >= self.steps or best_of_grid.missing(metrics):
            return  # the last step, or no point
        reported = self.trial.study.get_trials(deepcopy=False)[self.trial.number].intermediate_values
        if step not in reported:  # a run that was interrupted measures its last point again
            self.trial.report(best_of_grid.score(metrics), step)
        if self.trial.should_prune():
            raise GivenUp(f"pruned at step {step}")

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        return
