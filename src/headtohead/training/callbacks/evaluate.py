"""Measure and record a point of the run's curves every `evaluation.every` steps, with averaged weights."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import lightning as L

from headtohead.config.run_config import RunConfig
from headtohead.eval.curve_points.base import Examiner
from headtohead.eval.curve_points.record import record
from headtohead.records.kept_weights import keep
from headtohead.records.recorder import Recorder, Spent
from headtohead.training.callbacks.progress import Progress, beside
from headtohead.training.callbacks.stop import stepped
from headtohead.training.lightning_module import DesignModule
from headtohead.training.resume import Training
from headtohead.utils.compute import peak_mb


class Curves(L.Callback):
    """Save a state before each point, so that an interrupted point is measured after resuming."""

    def __init__(
        self,
        config: RunConfig,
        examiner: Examiner,
        recorder: Recorder,
        flops: tuple[float, float],
        *,
        training: Training,
        progress: Progress | None,
    ) -> None:
        """`flops` are a picture's: of head and language model, and of everything."""
        self.config, self.examiner, self.recorder, self.flops = config, examiner, recorder, flops
        self.by, self.progress = training, progress
        self.training = self.measuring = self.peak = 0.0
        self.owed = 0  # step of a pending point: its state is saved, its scores may not be recorded
        self._since, self._kept_before = time.monotonic(), 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.owed:
            self.point(trainer, pl_module)
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        step, last = trainer.global_step, trainer.global_step == self.config.train.steps
        if not stepped(trainer) or (step % self.config.evaluation.every and not last):
            return
        self.training += time.monotonic() - self._since
        self.owed = step
        self.by.save(trainer)
        self.point(trainer, pl_module)
        self._since = time.monotonic()

    def point(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Measure the pending step, unless it is on record already."""
        assert isinstance(module, DesignModule)
        started, step = time.monotonic(), self.owed
        last = step == self.config.train.steps
        if not trainer.strategy.broadcast(self.recorder.measured(step)):
            told = self.progress.measuring(step) if self.progress else contextlib.nullcontext()
            with self.by.asked.idle(), told:
                self._measure(trainer, module, step, last)
        self.owed = 0
        self.measuring += time.monotonic() - started
        self.peak = max(self.peak, peak_mb(self.examiner.device))

    def _measure(self, trainer: L.Trainer, module: DesignModule, step: int, last: bool) -> None:
        folder, e = self.recorder.folder, self.config.evaluation
        shown, (flops, everything) = step * self.config.train.batch, self.flops
        at = Spent(step, shown, shown * flops, round(self.training, 2), shown * everything)
        measured = None
        if not e.apart:
            with module.average as generator:
                measured = self.examiner.measure(generator, last, step)
        weights = module.average.whole()
        if self.by.lease is None:  # not the first process
            return
        if last or e.apart or e.keep == "all":
            self.by.write(lambda: keep(weights, folder, at))
        if measured is None:
            beside(trainer, f"step {step:,}: kept, to be measured apart")
            return
        point, told = measured, list[str]()
        self.by.write(lambda: told.append(record(self.recorder, self.config, self.examiner, point, at)))
        for logger in trainer.loggers:
            logger.log_metrics(point.point.values, step)
        beside(trainer, f"step {step:,}: {told[-1]}")

    @property
    def state_key(self) -> str:
        return "Curves"  # as in states that were saved before

    def state_dict(self) -> dict[str, Any]:
        own = {"training": self.training, "measuring": self.measuring, "peak": self.peak, "owed": self.owed}
        return {**own, "keeping": self.keeping}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = dict(state_dict)
        self._kept_before = own.pop("keeping", 0.0)
        vars(self).update(own)

    @property
    def keeping(self) -> float:
        """Seconds for states, records and progress, of this start and those before."""
        return self._kept_before + self.by.keeping + (self.progress.keeping if self.progress else 0.0)
