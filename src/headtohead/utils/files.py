"""Writing files: whole or not at all, and waiting for space while the disk is full."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
FULL = (errno.ENOSPC, errno.EDQUOT)
AGAIN = 5.0  # seconds


def full(error: BaseException) -> bool:
    """Whether an error means that the disk is full, also where a library wraps it in an error of its own."""
    return any(
        getattr(e, "errno", None) in FULL or "No space left on device" in str(e) or "quota exceeded" in str(e).lower()
        for e in _chain(error)
    )


def patiently(
    write: Callable[[], T],
    where: Path,
    say: Callable[[str], None],
    waiting: Callable[[bool], None] = lambda _: None,
) -> T:
    """The result of `write()`, tried again every few seconds while the disk is full.

    write    leaves nothing behind when it fails
    where    folder that messages name
    say      prints a message
    waiting  called with True while waiting and False at the end; may raise to give up
    """
    told = False
    while True:
        try:
            out = write()
        except Exception as error:
            if not full(error):
                raise
        else:
            if told:
                say(f"{where}: there is space again, going on")
                waiting(False)
            return out
        if not told:
            say(f"{where}: the disk is full; waiting for space, nothing is lost")
            told = True
        waiting(True)
        time.sleep(AGAIN)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def fingerprint(value: Any) -> str:
    """A short hash of anything JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


_HIDDEN = os.umask(0)  # there is no other way to ask
os.umask(_HIDDEN)


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Where to write a file that takes its name when it is whole, and on the disk.

    Several processes may write what they share, also in containers whose hosts and process numbers are called the
    same; the last one's file stays, and none is half of two. Who may read the folder may read the file: safetensors
    writes for its own user alone, and results are shared.
    """
    part = path.with_name(f"{path.name}.{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_HIDDEN)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def whole(path: Path, data: bytes) -> None:
    with beside(path) as part:
        part.write_bytes(data)
