"""What the study's commands share: a parser whose errors are one line with exit code 2, and its common options."""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from types import FrameType
from typing import NoReturn, ParamSpec, TypeVar

from headtohead.errors import InputError, one_line

PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")  # heard by glibc 2.35 and later when a process starts
GRACE = 30.0  # seconds that orphaned work has to save
GOES_ON = "stopped; the same command goes on from here"
P = ParamSpec("P")
T = TypeVar("T")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default where there is one to show."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, Path()) else action.help


class Parser(argparse.ArgumentParser):
    """argparse without the usage block in front of an error; helps show defaults."""

    def __init__(self, module: str, described: str | None) -> None:
        text = (described or "").split(": ", 1)[-1]
        super().__init__(
            prog=f"python -m {module}",
            description=text[:1].upper() + text[1:],
            formatter_class=_Help,
        )

    @property
    def name(self) -> str:
        return self.prog.rsplit(".", 1)[-1]

    def error(self, message: str) -> NoReturn:
        say(f"{self.name}: {message}")
        raise SystemExit(2)

    def concluded(self, work: Callable[[], int | None], stopped: str = GOES_ON) -> int:
        """The exit code: what can be put right is one line and 2, Ctrl-C is 130."""
        try:
            return work() or 0
        except (InputError, OSError) as error:
            say(f"{self.name}: {one_line(error)}")
            return 2
        except KeyboardInterrupt:
            say(f"{self.name}: {stopped}")
            return 130

    def add_device(self) -> None:
        self.add_argument("--device", type=_device, default=None, help="cpu or cuda; cuda when there is one")

    def add_folder(self, name: str, default: Path, what: str) -> None:
        self.add_argument(name, type=_folder, default=default, help=what)


class Killed(RuntimeError):
    """Work that died without a word."""


def isolated(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Work in a process of its own: its memory is its own, and what kills it does not kill the command.

    Who asks the command to end asks the work, which may have something to save.
    """
    asked = False

    def pass_on() -> None:
        for child in mp.active_children():
            child.terminate()

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        pass_on()

    before = signal.signal(signal.SIGTERM, hear)
    try:
        with processes(1) as pool:
            done = pool.submit(work, *args, **kwargs)
            if asked:  # while there was nobody to pass it on to
                pass_on()
            return done.result()
    except BrokenProcessPool:
        if asked:  # before there was anything to save
            raise SystemExit(143) from None
        raise Killed("its process was killed, by the system perhaps for want of memory") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def processes(number: int) -> ProcessPoolExecutor:
    """Processes that end with their command."""
    roomy()
    return ProcessPoolExecutor(number, mp.get_context("spawn"), initializer=_end_with_parent)


def roomy() -> None:
    """Processes that are started from now on keep what is large in huge pages, where Linux gives them to who asks, as
    most distributions set it: a training step on a CPU is mostly memory. `make bench` says by how much."""
    os.environ.setdefault(*PAGES)


def _end_with_parent() -> None:
    """A command that is killed takes its work along; what can save in time does."""
    parent = mp.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def quiet(line: str) -> None:
    """For processes beside the first."""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """As one says it: 40 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _device(text: str) -> str:
    import torch

    if text not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"expected cpu or cuda, got {text!r}")
    if text == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError("cuda: this machine has none that torch can use")
    return text


def _folder(text: str) -> Path:
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: is a file, not a folder")
    return path


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    """A whole number from 0 on."""
    if not _whole(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, got {text!r}")
    return int(text)


def _whole(text: str) -> bool:
    """One that every generator takes as its seed."""
    return text.isascii() and text.isdigit() and int(text) < 2**31


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return value


def seeds(text: str) -> list[int]:
    """Such as 0,1,2."""
    parts = text.split(",")
    if not all(map(_whole, parts)):
        raise argparse.ArgumentTypeError(f"expected whole numbers such as 0,1,2, got {text!r}")
    if len(set(map(int, parts))) < len(parts):
        raise argparse.ArgumentTypeError(f"the same seed stands twice in {text!r}")
    return [int(p) for p in parts]
