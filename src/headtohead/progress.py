"""How far a run is, for whoever watches: `progress.json` in its folder, replaced every few seconds."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import lightning as L

from headtohead.config import RunConfig
from headtohead.records import Recorder
from headtohead.stopping import stepped

EVERY = 5.0  # seconds
SMOOTH = 0.1  # weight of the last interval in the speed


class Progress(L.Callback):
    """Speed and time left are of this start alone; what is not known yet is left out."""

    def __init__(self, recorder: Recorder, config: RunConfig) -> None:
        self.recorder, self.config = recorder, config
        self.step, self.a_step, self.a_point = 0, 0.0, 0.0
        self._told = self._since = time.monotonic()
        self._from, self.keeping = 0, 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.step = self._from = trainer.global_step
        self._since = time.monotonic()
        self.tell("training")

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if not stepped(trainer):
            return
        self.step, now = trainer.global_step, time.monotonic()
        if now - self._told < EVERY or self.step == self._from:
            return
        took = (now - self._since) / (self.step - self._from)
        self.a_step = took if not self.a_step else (1 - SMOOTH) * self.a_step + SMOOTH * took
        self._from, self._since = self.step, now
        self.tell("training")

    @contextlib.contextmanager
    def measuring(self, step: int) -> Any:
        self.step, started = step, time.monotonic()
        self.tell("measuring")
        yield
        self.a_point = time.monotonic() - started
        self._from, self._since = step, time.monotonic()
        self.tell("training")

    def tell(self, doing: str) -> None:
        self._told = time.monotonic()
        t, e = self.config.train, self.config.evaluation
        points = -(-t.steps // e.every) - self.step // e.every
        about: dict[str, Any] = {"step": self.step, "steps": t.steps, "doing": doing, "time": round(time.time(), 1)}
        if self.a_step:
            about["samples_per_second"] = round(t.batch / self.a_step, 2)
            about["seconds_left"] = round((t.steps - self.step) * self.a_step + points * self.a_point)
        with contextlib.suppress(OSError):
            self.recorder.progress(about)
        self.keeping += time.monotonic() - self._told
