"""Progress of a run: `progress.json` in its folder, rewritten every few seconds, and lines or a bar on the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar, TQDMProgressBar

from headtohead.config.run_config import RunConfig
from headtohead.records.recorder import Recorder
from headtohead.training.callbacks.stop import stepped
from headtohead.utils.cli import say

EVERY = 5.0  # seconds
SMOOTH = 0.1  # weight of the last interval in the speed


class Progress(L.Callback):
    """Speed and time left are measured since this start; values that are not known yet are left out."""

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


EVERY = 60.0  # seconds


def bar() -> ProgressBar:
    return TQDMProgressBar(refresh_rate=10) if sys.stdout.isatty() else Lines()


class Lines(ProgressBar):
    """Progress as lines, for output that goes to a file, where a bar would be repeated at every redraw."""

    def __init__(self, every: float = EVERY) -> None:
        super().__init__()
        self.every, self._on = every, True
        self._told = time.monotonic()

    def disable(self) -> None:
        self._on = False

    def enable(self) -> None:
        self._on = True

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if not self._on or not stepped(trainer) or time.monotonic() - self._told < self.every:
            return
        self._told = time.monotonic()
        seen = self.get_metrics(trainer, pl_module)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in seen.items() if isinstance(value, float))
        say(f"  step {trainer.global_step:,} of {trainer.max_steps:,}: {shown}")


def beside(trainer: L.Trainer, line: str) -> None:
    """Print a line that the bar does not overwrite."""
    assert trainer.progress_bar_callback is not None
    trainer.progress_bar_callback.print(line, file=sys.stderr)
