"""Measure and record a point of the run's curves every `evaluation.every` steps, with averaged weights."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import lightning as L

from headtohead.config.run_config import RunConfig
from headtohead.eval.curve_points.base import Evaluator
from headtohead.eval.curve_points.record import record
from headtohead.records.kept_weights import keep
from headtohead.records.recorder import Spent
from headtohead.training.callbacks.progress import Progress, beside
from headtohead.training.callbacks.stop import stepped
from headtohead.training.lightning_module import DesignModule
from headtohead.training.resume import Training
from headtohead.utils import compute


class Curves(L.Callback):
    """Save a state before each point, so that an interrupted point is measured after resuming."""

    def __init__(
        self,
        config: RunConfig,
        evaluator: Evaluator,
        flops: tuple[float, float],
        training: Training,
        progress: Progress | None,
    ) -> None:
        """
        config    of the run
        evaluator  measures a point
        flops     FLOPs of one picture: of head and language model, and of everything
        training  saves states
        progress  of the run, on rank 0
        """
        self.config, self.evaluator, self.flops = config, evaluator, flops
        self.save, self.run, self.progress = training.save, training.run, progress
        self.training = self.measuring = self.peak = 0.0  # seconds, seconds, MB
        self.precisions = [compute.computed_in(config.compute.precision, evaluator.device)]  # of this run so far
        self.pending = 0  # step of a point whose state is saved and whose scores may not be recorded
        self._since, self._saving_before = time.monotonic(), 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.pending:
            self.point(trainer, pl_module)
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        step, last = trainer.global_step, trainer.global_step == self.config.train.steps
        if not stepped(trainer) or (step % self.config.evaluation.every and not last):
            return
        self.training += time.monotonic() - self._since
        self.pending = step
        self.save(trainer)
        self.point(trainer, pl_module)
        self._since = time.monotonic()

    def point(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Measure the pending step, unless it is on record already."""
        assert isinstance(module, DesignModule)
        started, step = time.monotonic(), self.pending
        last = step == self.config.train.steps
        if not trainer.strategy.broadcast(self.run.recorder.measured(step)):
            shown = self.progress.measuring(step) if self.progress else contextlib.nullcontext()
            with self.run.signals.immediate(), shown:
                self._measure(trainer, module, step, last)
        self.pending = 0
        self.measuring += time.monotonic() - started
        self.peak = max(self.peak, compute.peak_mb(self.evaluator.device))

    def _measure(self, trainer: L.Trainer, module: DesignModule, step: int, last: bool) -> None:
        folder, e = self.run.recorder.folder, self.config.evaluation
        shown, (flops, everything) = step * self.config.train.batch, self.flops
        at = Spent(step, shown, shown * flops, round(self.training, 2), shown * everything)
        measured = None
        if not e.apart:
            with module.average as generator:
                measured = self.evaluator.measure(generator, last, step)
        weights = module.average.whole()
        if not self.run.lease:
            return
        if last or e.apart or e.keep == "all":
            self.run.write(lambda: keep(weights, folder, at))
        if measured is None:
            beside(trainer, f"step {step:,}: kept, to be measured by `make points`")
            return
        point, lines = measured, list[str]()
        self.run.write(lambda: lines.append(record(self.run.recorder, self.config, self.evaluator, point, at)))
        for logger in trainer.loggers:
            logger.log_metrics(point.point.values, step)
        beside(trainer, f"step {step:,}: {lines[-1]}")

    @property
    def state_key(self) -> str:
        return "Curves"  # as in states that were saved before

    def state_dict(self) -> dict[str, Any]:
        own = {"training": self.training, "measuring": self.measuring, "peak": self.peak}
        return {**own, "precisions": self.precisions, "owed": self.pending, "keeping": self.keeping}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = dict(state_dict)
        self._saving_before, self.pending = own.pop("keeping", 0.0), own.pop("owed", 0)
        before, now = own.pop("precisions", [self.config.compute.precision]), self.precisions
        if now[0] not in before:
            self.run.say(f"computing in {now[0]} on this machine; the steps before were in {', '.join(before)}")
        self.precisions = list(dict.fromkeys([*before, *now]))
        vars(self).update(own)

    @property
    def keeping(self) -> float:
        """Seconds spent on states, records and progress, since the run first started."""
        return self._saving_before + self.run.seconds_saving + (self.progress.seconds if self.progress else 0.0)
