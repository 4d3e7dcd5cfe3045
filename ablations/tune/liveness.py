"""Whether somebody still works on a trial; clocks of two machines are never compared.

Where the worker's process can be seen, it is asked for. Where its run's folder is shared, the run's claim tells whether
it is trained. Else the worker's sign in the storage is watched: it changes every few seconds, or nobody is there.
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

BY, RUN = "by", "run"  # what a trial says of itself: its worker's sign, and its folder
BEAT, LOST = 15.0, 120.0  # seconds between two signs, and of one that stays the same before its worker is given up
LOOK = 5.0  # seconds between two looks at the signs of others


class Standing(Enum):
    AT_WORK = auto()
    GONE = auto()
    UNSURE = auto()  # until it has been watched for a while


def sign() -> dict[str, Any]:
    """Of this worker at this moment: what others go by is that it changes, not what it says."""
    here = {"place": leases.place(), "host": socket.gethostname(), "pid": os.getpid()}
    return {**here, "thread": threading.get_native_id(), "seen": time.time()}


class Watch:
    """What one worker knows of the others, who may lay their runs into a folder that it does not see."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._seen: dict[int, tuple[Any, float, bool]] = {}  # sign, since when, whether it changed before our eyes
        self._left: set[int] = set()

    def leave(self, number: int) -> None:
        """To whoever holds its run: the sign is ours by now, and tells nothing."""
        self._left.add(number)

    def standing(self, trial: FrozenTrial) -> Standing:
        by = trial.user_attrs.get(BY) or {}
        worker, held = self._worker(trial.number, by), self._holder(trial)
        if trial.number in self._left:
            return Standing.AT_WORK if held and held.alive else Standing.GONE
        if held is None or held.place != by.get("place") or worker is Standing.AT_WORK:
            return worker
        if held.alive:  # one whose worker was killed saves, and ends by itself
            return Standing.UNSURE if worker is Standing.GONE else Standing.AT_WORK
        return worker if held.released else Standing.GONE

    def _worker(self, number: int, by: dict[str, Any]) -> Standing:
        if by.get("place") == leases.place():
            return Standing.AT_WORK if leases.lives(by["pid"]) else Standing.GONE
        now = time.monotonic()
        last, since, changed = self._seen.get(number, (by, now, False))
        if by != last:
            since, changed = now, True
        self._seen[number] = by, since, changed
        if now - since > LOST:
            return Standing.GONE
        return Standing.AT_WORK if changed else Standing.UNSURE

    def _holder(self, trial: FrozenTrial) -> leases.Holder | None:
        if self.folder is None or RUN not in trial.user_attrs:
            return None
        try:
            return leases.holder(self.folder / trial.user_attrs[RUN])
        except OSError:
            return None
