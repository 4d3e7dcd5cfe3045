"""Tables on a terminal: control characters in names are spelled out, wide letters keep columns, redrawn in place."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import NoReturn

from headtohead.utils.errors import printable

OTHER_SCREEN, OWN_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the one that scrolls is left as it was
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}
CUT = "…"


def width(text: str) -> int:
    """Columns that printable text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def fit(text: str, columns: int) -> str:
    """Text without control characters, cut to so many columns."""
    text = printable(text[: 4 * columns])
    if width(text) <= columns:
        return text
    while width(text) >= columns:
        text = text[:-1]
    return text + CUT


def shorten(text: str, columns: int) -> str:
    """Text cut in its middle: names of runs differ at both ends."""
    text = printable(text)
    if width(text) <= columns:
        return text
    return fit(text, columns - columns // 3) + text[-(columns // 3) :]


def pad(text: str, columns: int, right: bool = False) -> str:
    space = " " * (columns - width(text))
    return space + text if right else text + space


def styled(text: str, style: str) -> str:
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if style else text


def colourful() -> bool:
    return is_terminal() and not os.environ.get("NO_COLOR")


def is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def size() -> tuple[int, int]:
    """Columns and rows."""
    return shutil.get_terminal_size()


def again_and_again(draw: Callable[[], Sequence[str]], seconds: float) -> None:
    """Print `draw()` every so many seconds until Ctrl-C: in place on a terminal, where the last one stays."""
    lines: Sequence[str] = ()
    with contextlib.suppress(KeyboardInterrupt), _screen():
        while True:
            lines = draw()
            _show(lines)
            time.sleep(seconds)
    if is_terminal():
        print("\n".join(lines))


def _show(lines: Sequence[str]) -> None:
    if is_terminal():
        rows = max(1, size()[1] - 1)
        sys.stdout.write(HOME + "".join(f"{line}{REST_OF_LINE}\n" for line in lines[:rows]) + REST_OF_SCREEN)
    else:
        sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """The terminal's alternate screen, left again however this ends."""
    if not is_terminal():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    sys.stdout.write(OTHER_SCREEN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.stdout.write(OWN_SCREEN)
        sys.stdout.flush()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
