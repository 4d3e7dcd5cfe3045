"""A training that is asked to end (SIGTERM: a scheduler that needs the machine; Ctrl-C) saves first and then goes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import lightning as L

from headtohead.errors import Stopped

STOPPED = {signal.SIGTERM: 143, signal.SIGINT: 130}  # exit codes
EVERY = 15 * 60  # seconds between states that are saved though nothing is measured


class Asked:
    """Hears the signals from a process's first moment to its last: launchers send them more than once."""

    def __init__(self) -> None:
        self.code = 0  # to exit with, once somebody asked
        self._idle = True  # nothing would be lost

    def __enter__(self) -> Asked:
        self._before = {number: signal.getsignal(number) for number in STOPPED}
        self._listen()
        return self

    def _listen(self) -> None:
        """Again when a training begins: Lightning puts itself in front, and its handler broadcasts wherever a process
        stands; two that are asked together, as a job's are, then wait for each other for ever."""
        for number in STOPPED:
            signal.signal(number, self._hear)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.code and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: at once
        first, self.code = not self.code, self.code or STOPPED[signal.Signals(number)]
        if self._idle and first:
            raise Stopped(self.code)

    def busy(self) -> None:
        """From here on there is something to lose, and whoever is asked waits for a good moment."""
        self._listen()
        self._idle = False

    @contextmanager
    def idle(self) -> Iterator[None]:
        """While this lasts, the state is on disk: whoever is asked goes at once."""
        if self.code:
            raise Stopped(self.code)
        self._listen()
        self._idle = True
        try:
            yield
        finally:
            self._idle = False


class Stopping(L.Callback):
    """Asks after every step, all processes together: a checkpoint of sharded weights needs every one of them."""

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
