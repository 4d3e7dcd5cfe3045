"""Work in processes of its own, and the signals that ask a process to end."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from types import FrameType
from typing import ParamSpec, TypeVar

from headtohead.utils import plugins
from headtohead.utils.errors import Stopped

PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")  # heard by glibc 2.35 and later when a process starts
GRACE = 30.0  # seconds that orphaned work has to save


P = ParamSpec("P")
T = TypeVar("T")


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
    return ProcessPoolExecutor(number, mp.get_context("spawn"), initializer=_begin)


def roomy() -> None:
    """Processes that are started from now on keep what is large in huge pages, where Linux gives them to who asks, as
    most distributions set it: a training step on a CPU is mostly memory. `make bench` says by how much."""
    os.environ.setdefault(*PAGES)


def _begin() -> None:
    plugins.load()
    _end_with_parent()


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


STOPPED = {signal.SIGTERM: 143, signal.SIGINT: 130}  # exit codes


class Asked:
    """Hears the signals from a process's first moment to its last: launchers send them more than once."""

    def __init__(self) -> None:
        self.code = 0  # to exit with, once somebody asked
        self._idle = True  # nothing would be lost

    def __enter__(self) -> Asked:
        self._before = {number: signal.getsignal(number) for number in STOPPED}
        self._listen()
        return self

    def _listen(self) -> None:
        """Again when a training begins: Lightning puts itself in front, and its handler broadcasts wherever a process
        stands; two that are asked together, as a job's are, then wait for each other for ever."""
        for number in STOPPED:
            signal.signal(number, self._hear)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.code and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: at once
        first, self.code = not self.code, self.code or STOPPED[signal.Signals(number)]
        if self._idle and first:
            raise Stopped(self.code)

    def busy(self) -> None:
        """From here on there is something to lose, and whoever is asked waits for a good moment."""
        self._listen()
        self._idle = False

    @contextmanager
    def idle(self) -> Iterator[None]:
        """While this lasts, the state is on disk: whoever is asked goes at once."""
        if self.code:
            raise Stopped(self.code)
        self._listen()
        self._idle = True
        try:
            yield
        finally:
            self._idle = False
