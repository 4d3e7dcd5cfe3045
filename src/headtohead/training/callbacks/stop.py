"""Save a state every few minutes, and before stopping on SIGTERM (from a scheduler) or Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import lightning as L

from headtohead.utils.errors import Stopped
from headtohead.utils.processes import EXIT_CODES, StopSignals

EVERY = 15 * 60  # seconds between states, beside those that are saved before each point


class Stopping(L.Callback):
    """After each step: save if the last state is older than `EVERY`; save and stop if any rank received a signal.

    All ranks decide together, as saving sharded weights is a collective.
    """

    def __init__(self, signals: StopSignals, save: Callable[[L.Trainer], None]) -> None:
        self.signals, self.save = signals, save
        self.over = False  # the training resumes after its last step
        self._saved = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.signals.defer()
        trainer.should_stop = trainer.should_stop or self.over

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if not stepped(trainer) or trainer.global_step >= trainer.max_steps:
            return
        stop = bool(self.signals.code)
        due = time.monotonic() - self._saved > EVERY
        if trainer.strategy.reduce_boolean_decision(stop or due, all=False):
            self.save(trainer)
            self._saved = time.monotonic()
            if trainer.strategy.reduce_boolean_decision(stop, all=False):
                raise Stopped(self.signals.code or EXIT_CODES[signal.SIGTERM])


def stepped(trainer: L.Trainer) -> bool:
    """Whether the batch that just ended completed an optimizer step, which may accumulate several."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready % trainer.accumulate_grad_batches == 0
