"""A training that is asked to end (SIGTERM: a scheduler that needs the machine; Ctrl-C) saves first and then goes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import lightning as L

STOPPED = {signal.SIGTERM: 143, signal.SIGINT: 130}  # exit codes
EVERY = 15 * 60  # seconds between states that are saved though nothing is measured


class Stopped(SystemExit):
    """The training was asked to end, has saved, and goes on from there next time."""


class Stopping(L.Callback):
    """Asks after every step, all processes together: a checkpoint of sharded weights needs every one of them."""

    def __init__(self, save: Callable[[L.Trainer], None]) -> None:
        self.save, self.asked = save, 0
        self.over = False  # nothing is left to train when this starts
        self._idle, self._saved = False, time.monotonic()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._before = {number: signal.signal(number, self._ask) for number in STOPPED}

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: at once
        self.asked = STOPPED[signal.Signals(number)]
        if self._idle:
            raise Stopped(self.asked)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.over

    @contextmanager
    def nothing_to_save(self) -> Iterator[None]:
        """While this lasts, the state is on disk: whoever is asked goes at once."""
        if self.asked:
            raise Stopped(self.asked)
        self._idle = True
        try:
            yield
        finally:
            self._idle = False
            self._saved = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if not stepped(trainer) or trainer.global_step >= trainer.max_steps:
            return
        due = time.monotonic() - self._saved > EVERY
        if trainer.strategy.reduce_boolean_decision(bool(self.asked) or due, all=False):
            self.save(trainer)
            self._saved = time.monotonic()
        if trainer.strategy.reduce_boolean_decision(bool(self.asked), all=False):
            raise Stopped(self.asked or STOPPED[signal.SIGTERM])


def stepped(trainer: L.Trainer) -> bool:
    """Whether the batch that just ended completed a step: a step may take several."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready % trainer.accumulate_grad_batches == 0
