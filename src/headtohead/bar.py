"""How far a training is, said while it runs: a bar on a terminal, a line a minute in a log file."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar, TQDMProgressBar

from headtohead.command import say
from headtohead.stopping import stepped

EVERY = 60.0  # seconds


def bar() -> ProgressBar:
    return TQDMProgressBar(refresh_rate=10) if sys.stdout.isatty() else Lines()


class Lines(ProgressBar):
    """A bar redraws itself, which a file keeps a thousand times over."""

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
    """A line that the bar does not overwrite."""
    assert trainer.progress_bar_callback is not None
    trainer.progress_bar_callback.print(line, file=sys.stderr)
