"""Leases on folders: any number of workers share a results folder, on one machine or on several with a shared disk.

    claims/0001.json, 0002.json, ...: the highest number is the valid lease, its modification time the last heartbeat

A lease is acquired by creating the next number, which the file system grants to one process. Nothing is deleted: a
worker that was taken for dead and goes on finds a higher number than its own and stops. Needs no torch.
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

LEASES = "claims"
TURN = 0.2  # seconds between attempts to acquire
TAKEN = 75  # exit code of a process that found the lease held by another one
BEAT, LOST = 10.0, 60.0  # seconds between heartbeats, and without one after which a lease expires


class Taken(Exception):
    """Another process holds the lease."""


@dataclass(frozen=True)
class Holder:
    """The process that acquired the last lease on a folder."""

    number: int
    host: str
    pid: int
    place: str  # boot and container in which its process id is valid
    released: bool
    since: float
    silent: float  # seconds since the last heartbeat, by the clock of the file system

    @property
    def alive(self) -> bool:
        if self.released or self.silent > LOST:
            return False
        return self.place != place() or lives(self.pid)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


def holder(folder: Path, now: float | None = None) -> Holder | None:
    """The holder of the last lease on a folder; None before the first.

    now  seconds since the epoch by the clock of the file system; without it a temporary file is made to read that clock
    """
    number = _last(folder)
    if not number:
        return None
    path = _path(folder, number)
    content, beat = _content(path), path.stat().st_mtime
    pid, since = content.get("pid"), content.get("started")
    return Holder(
        number,
        str(content.get("host", "?")),
        pid if isinstance(pid, int) and 0 < pid < 2**31 else 0,
        str(content.get("place", "")),
        "released" in content,
        since if isinstance(since, float) else 0.0,
        (clock(path.parent, time.time()) if now is None else now) - beat,
    )


def unheld(folder: Path) -> Holder | None:
    """The last holder of a folder without a valid lease; raises `Taken` while one is valid."""
    last = holder(folder)
    if last and last.alive:
        raise Taken(f"{folder}: {last} works on it")
    return last


def _content(path: Path) -> dict[str, Any]:
    """The content of a lease file; empty while it is created and not yet written."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


class Lease:
    """A lease that this process holds until the end of its `with` block, renewed by a thread."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number, self._ended = folder, number, threading.Event()
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
        """Raise `Taken` if another process has acquired a later lease; called before anything is written."""
        if _last(self.folder) > self.number:
            raise Taken(f"{self.folder}: was taken over by {holder(self.folder)}")

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):  # the lease then expires
            whole(self.path, json.dumps({**self._about, "released": round(time.time(), 1)}).encode())

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(self.path)


def acquire(folder: Path) -> Lease:
    """Acquire the lease on a folder, or raise `Taken` with its holder."""
    last = unheld(folder)
    lease = Lease(folder, last.number + 1 if last else 1)
    lease.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = lease.path.open("x")
    except FileExistsError:
        raise Taken(f"{folder}: {holder(folder)} works on it") from None
    try:
        with file:
            json.dump(lease._about, file)
    except BaseException:  # the disk is full: a lease without its holder must not stay
        lease.path.unlink()
        raise
    threading.Thread(target=lease._beat, daemon=True).start()
    return lease


@contextlib.contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Mutual exclusion of short critical sections: waits until the lease is free."""
    while True:
        try:
            lease = acquire(folder)
        except Taken:
            time.sleep(TURN)
        else:
            break
    with lease:
        yield


def place() -> str:
    """Where process ids are unique: a boot of a machine and a PID namespace."""
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
    with contextlib.suppress(OSError):  # a zombie
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _last(folder: Path) -> int:
    """The highest number of a lease; 0 before the first."""
    found = (folder / LEASES).glob("[0-9]*.json")
    return max((int(path.stem) for path in found if path.stem.isdecimal()), default=0)


def _path(folder: Path, number: int) -> Path:
    return folder / LEASES / f"{number:04d}.json"


def clock(folder: Path, otherwise: float) -> float:
    """The time by the clock of the file system, which machines that share it may not agree on.

    folder     in which a temporary file is made
    otherwise  returned where no file can be made: the disk is full or read-only
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return otherwise
