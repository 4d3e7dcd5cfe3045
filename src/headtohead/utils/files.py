"""Write files atomically, and wait for space while the disk is full."""

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
AGAIN = 5.0  # seconds between attempts while the disk is full


def full(error: BaseException) -> bool:
    """Whether an error means that the disk is full, even if a library has wrapped it in another one."""
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
    """Call `write()` and return its result; repeat it every few seconds while the disk is full.

    write    writes files, and leaves nothing behind when it fails
    where    folder, for messages
    say      prints a line
    waiting  called with True before each wait and with False at the end; may raise to give up
    """
    waited = False
    while True:
        try:
            out = write()
        except Exception as error:
            if not full(error):
                raise
        else:
            if waited:
                say(f"{where}: there is space again, going on")
                waiting(False)
            return out
        if not waited:
            say(f"{where}: the disk is full; waiting for space, nothing is lost")
            waited = True
        waiting(True)
        time.sleep(AGAIN)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def fingerprint(value: Any) -> str:
    """A short hash of a value that JSON can represent."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


_UMASK = os.umask(0)  # it can only be read by setting it
os.umask(_UMASK)


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; when the block ends, the file is flushed to disk and renamed.

    Several processes may write the same path, even from containers with equal host names and process ids: the last one
    wins, and no file is mixed. Permissions follow the umask, as safetensors makes files readable to their owner only.
    """
    part = path.with_name(f"{path.name}.{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_UMASK)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def whole(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with beside(path) as part:
        part.write_bytes(data)
