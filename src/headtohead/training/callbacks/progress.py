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

EVERY = 5.0  # seconds between two writes of progress.json
LINES_EVERY = 60.0  # seconds between two lines
SMOOTH = 0.1  # weight of the last interval in the speed


class Progress(L.Callback):
    """Writes progress.json; speed and time left are measured since this start, and left out while unknown."""

    def __init__(self, recorder: Recorder, config: RunConfig) -> None:
        self.recorder, self.config = recorder, config
        self.step, self.seconds_step, self.seconds_point = 0, 0.0, 0.0
        self._written = self._since = time.monotonic()
        self._from, self.seconds = 0, 0.0  # spent on writing

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.step = self._from = trainer.global_step
        self._since = time.monotonic()
        self.write("training")

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if not stepped(trainer):
            return
        self.step, now = trainer.global_step, time.monotonic()
        if now - self._written < EVERY or self.step == self._from:
            return
        took = (now - self._since) / (self.step - self._from)
        old = self.seconds_step or took
        self.seconds_step = (1 - SMOOTH) * old + SMOOTH * took
        self._from, self._since = self.step, now
        self.write("training")

    @contextlib.contextmanager
    def measuring(self, step: int) -> Any:
        self.step, started = step, time.monotonic()
        self.write("measuring")
        yield
        self.seconds_point = time.monotonic() - started
        self._from, self._since = step, time.monotonic()
        self.write("training")

    def write(self, doing: str) -> None:
        self._written = time.monotonic()
        t, e = self.config.train, self.config.evaluation
        points = -(-t.steps // e.every) - self.step // e.every
        about: dict[str, Any] = {"step": self.step, "steps": t.steps, "doing": doing, "time": round(time.time(), 1)}
        if self.seconds_step:
            about["samples_per_second"] = round(t.batch / self.seconds_step, 2)
            about["seconds_left"] = round((t.steps - self.step) * self.seconds_step + points * self.seconds_point)
        with contextlib.suppress(OSError):
            self.recorder.progress(about)
        self.seconds += time.monotonic() - self._written


def bar() -> ProgressBar:
    return TQDMProgressBar(refresh_rate=10) if sys.stdout.isatty() else Lines()


class Lines(ProgressBar):
    """Progress as lines, for output that goes to a file, where each redraw of a bar would stay."""

    def __init__(self, every: float = LINES_EVERY) -> None:
        super().__init__()
        self.every, self._on = every, True
        self._printed = time.monotonic()

    def disable(self) -> None:
        self._on = False

    def enable(self) -> None:
        self._on = True

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if not self._on or not stepped(trainer) or time.monotonic() - self._printed < self.every:
            return
        self._printed = time.monotonic()
        seen = self.get_metrics(trainer, pl_module)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in seen.items() if isinstance(value, float))
        say(f"  step {trainer.global_step:,} of {trainer.max_steps:,}: {shown}")


def beside(trainer: L.Trainer, line: str) -> None:
    """Print a line that the bar does not overwrite."""
    assert trainer.progress_bar_callback is not None
    trainer.progress_bar_callback.print(line, file=sys.stderr)
