"""Files that are whole or not there: written beside, flushed, renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

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
