"""Who works on a run: any number of workers share a results folder, on one machine or on several with a shared disk.

    claims/0001.json, 0002.json, ...: only the highest counts, its modification time is its holder's heartbeat

A run is taken by creating the next number, which the file system lets one worker do. Nothing is deleted: a worker that
was given up for dead and wakes up again finds a higher number than its own and stops. Needs no torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headtohead.utils.files import whole

CLAIMS = "claims"
TURN = 0.2  # seconds between looks whether it is free
TAKEN = 75  # a process's exit code: nothing is wrong, somebody else works on it
BEAT, LOST = 10.0, 60.0  # seconds between heartbeats, and of silence after which a holder is given up


class Taken(Exception):
    """Somebody else works on this run."""


@dataclass(frozen=True)
class Holder:
    """Who took a run last."""

    number: int
    host: str
    pid: int
    place: str  # where its process number means something
    released: bool
    since: float
    silent: float  # seconds since its last heartbeat, by the clock of the disk

    @property
    def alive(self) -> bool:
        if self.released or self.silent > LOST:
            return False
        return self.place != place() or lives(self.pid)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


def holder(folder: Path, now: float | None = None) -> Holder | None:
    """Who holds or held a run; none before anybody did. Who only looks gives the time, and nothing is written."""
    number = _last(folder)
    if not number:
        return None
    path = _path(folder, number)
    told, beat = _told(path), path.stat().st_mtime
    pid, since = told.get("pid"), told.get("started")
    return Holder(
        number,
        str(told.get("host", "?")),
        pid if isinstance(pid, int) and 0 < pid < 2**31 else 0,
        str(told.get("place", "")),
        "released" in told,
        since if isinstance(since, float) else 0.0,
        (clock(path.parent, time.time()) if now is None else now) - beat,
    )


def unheld(folder: Path) -> Holder | None:
    """Who held a run last; `Taken` says who does now."""
    last = holder(folder)
    if last and last.alive:
        raise Taken(f"{folder}: {last} works on it")
    return last


def _told(path: Path) -> dict[str, Any]:
    """What a claim says; nothing when it was created a moment ago and is not yet written."""
    try:
        told = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


class Claim:
    """One worker's right to a run until its block ends, while its heart beats and nobody has taken over."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number, self._over = folder, number, threading.Event()
        self._about: dict[str, Any] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "place": place(),
            "started": round(time.time(), 1),
        }

    @property
    def path(self) -> Path:
        return _path(self.folder, self.number)

    def check(self) -> None:
        """Before anything is written: is it still this worker's run?"""
        if _last(self.folder) > self.number:
            raise Taken(f"{self.folder}: was taken over by {holder(self.folder)}")

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):  # then the silence says it
            whole(self.path, json.dumps({**self._about, "released": round(time.time(), 1)}).encode())

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(self.path)


def claimed(folder: Path) -> Claim:
    """The run is this process's, or `Taken` says whose it is."""
    last = unheld(folder)
    claim = Claim(folder, last.number + 1 if last else 1)
    claim.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = claim.path.open("x")
    except FileExistsError:
        raise Taken(f"{folder}: {holder(folder)} works on it") from None
    try:
        with file:
            json.dump(claim._about, file)
    except BaseException:  # no room for it: who cannot say whose it is must not hold it
        claim.path.unlink()
        raise
    threading.Thread(target=claim._beat, daemon=True).start()
    return claim


@contextlib.contextmanager
def turn(folder: Path) -> Iterator[None]:
    """One worker after the other: what this guards takes moments."""
    while True:
        try:
            claim = claimed(folder)
        except Taken:
            time.sleep(TURN)
        else:
            break
    with claim:
        yield


def place() -> str:
    """Where process numbers are shared: a boot of a machine, and within it a container."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):  # killed, and not yet waited for
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _last(folder: Path) -> int:
    """0 before anybody took it."""
    found = (folder / CLAIMS).glob("[0-9]*.json")
    return max((int(path.stem) for path in found if path.stem.isdecimal()), default=0)


def _path(folder: Path, number: int) -> Path:
    return folder / CLAIMS / f"{number:04d}.json"


def clock(folder: Path, otherwise: float) -> float:
    """The time of whoever keeps the disk: machines that share one may disagree. A file without a name is asked, which
    leaves nothing behind; where none can be made, the disk is full or only to be read."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return otherwise
