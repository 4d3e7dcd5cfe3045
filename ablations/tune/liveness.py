"""Whether a running trial still has a worker, decided without comparing the clocks of two machines.

On the worker's own machine its process is looked up. In a shared folder the run's lease counts (records/leases.py).
Otherwise the worker's heartbeat in the storage has to change: one that stays the same for TIMEOUT seconds is a dead
worker's.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from enum import Enum, auto
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from headtohead.records import leases

BY, RUN = "by", "run"  # a trial's attributes in the storage: its worker's heartbeat, and the folder of its run
INTERVAL, TIMEOUT = 15.0, 120.0  # seconds between heartbeats; of an unchanged one, until its worker counts as dead
POLL = 5.0  # seconds between two looks at other workers' heartbeats


class Liveness(Enum):
    ALIVE = auto()
    DEAD = auto()
    UNKNOWN = auto()  # until its heartbeat has been watched for a while


def heartbeat() -> dict[str, Any]:
    """This worker and the time, for its trial in the storage; other workers only compare it with the one before."""
    here = {"place": leases.place(), "host": socket.gethostname(), "pid": os.getpid()}
    return {**here, "thread": threading.get_native_id(), "seen": time.time()}


class Monitor:
    """Watches the trials of other workers.

    folder  of the study's runs; other workers may use another one, on a disk that this process does not see
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._heartbeats: dict[int, tuple[Any, float, bool]] = {}  # last one, since when, whether it was seen to change
        self._deferred: set[int] = set()

    def defer(self, number: int) -> None:
        """Leave a trial to the process that holds its run; this worker's own heartbeat on it no longer counts."""
        self._deferred.add(number)

    def state(self, trial: FrozenTrial) -> Liveness:
        by = trial.user_attrs.get(BY) or {}
        worker, holder = self._worker(trial.number, by), self._holder(trial)
        if trial.number in self._deferred:
            return Liveness.ALIVE if holder and holder.alive else Liveness.DEAD
        if holder is None or holder.place != by.get("place") or worker is Liveness.ALIVE:
            return worker
        if holder.alive:  # the training process of a killed worker saves, and then ends by itself
            return Liveness.UNKNOWN if worker is Liveness.DEAD else Liveness.ALIVE
        return worker if holder.released else Liveness.DEAD

    def _worker(self, number: int, by: dict[str, Any]) -> Liveness:
        if by.get("place") == leases.place():
            return Liveness.ALIVE if leases.lives(by["pid"]) else Liveness.DEAD
        now = time.monotonic()
        last, since, changed = self._heartbeats.get(number, (by, now, False))
        if by != last:
            since, changed = now, True
        self._heartbeats[number] = by, since, changed
        if now - since > TIMEOUT:
            return Liveness.DEAD
        return Liveness.ALIVE if changed else Liveness.UNKNOWN

    def _holder(self, trial: FrozenTrial) -> leases.Holder | None:
        if self.folder is None or RUN not in trial.user_attrs:
            return None
        try:
            return leases.holder(self.folder / trial.user_attrs[RUN])
        except OSError:
            return None
