"""Share a machine's cores among its trainings: two that use all of them slow each other down many times over.

A training is counted by a file in the system's folder for temporary files that it keeps locked; the system releases the
lock when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch

FOLDER = Path(tempfile.gettempdir()) / f"headtohead-trainings-{os.getuid()}"
THREADS = "OMP_NUM_THREADS"  # if a user sets it (THREADS=4), it is the number of threads
EVERY = 5.0  # seconds between two counts


def cores() -> set[int]:
    """The cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


@contextlib.contextmanager
def counted() -> Iterator[None]:
    """Count this training among those on the machine until the block ends; then reset its number of threads."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    threads = torch.get_num_threads()
    with tempfile.NamedTemporaryFile("w", dir=FOLDER, suffix=".json") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump(sorted(cores()), file)
        file.flush()
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def sharers() -> int:
    """The number of trainings on this process's cores, including its own."""
    number = 0
    for path in FOLDER.glob("*.json"):
        with contextlib.suppress(OSError, ValueError), path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                number += bool(cores() & set(json.load(file)))
    return max(1, number)


class SharedCores(L.Callback):
    """Set this training's threads to its share of the cores; adjust them after steps as others begin and end."""

    def __init__(self) -> None:
        self._all, self._counted = torch.get_num_threads(), 0.0
        self._adjust()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if time.monotonic() - self._counted > EVERY:
            self._adjust()

    def _adjust(self) -> None:
        self._counted = time.monotonic()
        if THREADS not in os.environ and torch.get_num_threads() != (own := max(1, self._all // sharers())):
            torch.set_num_threads(own)
