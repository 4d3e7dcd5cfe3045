"""Files that are whole or not there: written beside, flushed, renamed."""

from __future__ import annotations

import os
from pathlib import Path


def whole(path: Path, data: bytes) -> None:
    """Several processes may write what they share; the last one's file stays, and none is half of two."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
