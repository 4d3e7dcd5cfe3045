"""A training that is asked to end (SIGTERM from a scheduler, Ctrl-C) saves its state first."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import lightning as L

from headtohead.utils.errors import Stopped
from headtohead.utils.processes import STOPPED, Asked

EVERY = 15 * 60  # seconds between states that are saved though nothing is measured


class Stopping(L.Callback):
    """After each step: save and end if any process was asked to, save if the last state is older than `EVERY`. All
    processes decide together, as a checkpoint of sharded weights needs every one of them."""

    def __init__(self, asked: Asked, save: Callable[[L.Trainer], None]) -> None:
        self.asked, self.save = asked, save
        self.over = False  # nothing is left to train when this starts
        self._saved = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.asked.busy()
        trainer.should_stop = trainer.should_stop or self.over

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if not stepped(trainer) or trainer.global_step >= trainer.max_steps:
            return
        asked = bool(self.asked.code)
        due = time.monotonic() - self._saved > EVERY
        if trainer.strategy.reduce_boolean_decision(asked or due, all=False):
            self.save(trainer)
            self._saved = time.monotonic()
            if trainer.strategy.reduce_boolean_decision(asked, all=False):
                raise Stopped(self.asked.code or STOPPED[signal.SIGTERM])


def stepped(trainer: L.Trainer) -> bool:
    """Whether the batch that just ended completed a step: a step may take several."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready % trainer.accumulate_grad_batches == 0
