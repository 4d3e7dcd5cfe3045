"""A disk that is full: whoever writes waits for space instead of losing what was computed."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
FULL = (errno.ENOSPC, errno.EDQUOT)
AGAIN = 5.0  # seconds


def full(error: BaseException) -> bool:
    """Also where a library wraps what the system said into an error of its own."""
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
    """`write` leaves nothing behind when it fails; `waiting` is told of every wait and may end it by raising."""
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
