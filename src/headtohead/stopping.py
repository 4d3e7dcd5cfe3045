"""A training that is asked to end (SIGTERM: a scheduler that needs the machine) saves first and then goes."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L

STOPPED = 143  # the exit code of what SIGTERM ended


class Stopped(SystemExit):
    """The training was asked to end, has saved, and goes on from there next time."""


class Stopping(L.Callback):
    """Asks after every step, all processes together: a checkpoint of sharded weights needs every one of them."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint, self.asked = checkpoint, False

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._before = signal.signal(signal.SIGTERM, self._ask)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if not stepped(trainer) or trainer.global_step >= trainer.max_steps:
            return
        if trainer.strategy.reduce_boolean_decision(self.asked, all=False):
            trainer.save_checkpoint(self.checkpoint)
            raise Stopped(STOPPED)


def stepped(trainer: L.Trainer) -> bool:
    """Whether the batch that just ended completed a step: a step may take several."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready % trainer.accumulate_grad_batches == 0
