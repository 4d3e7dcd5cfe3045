"""Work in processes of its own, and the signals that ask a process to end."""

from __future__ import annotations

import multiprocessing as mp
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from headtohead.utils import plugins
from headtohead.utils.errors import Stopped

PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")  # read by glibc 2.35 and later when a process starts
GRACE = 30.0  # seconds in which work whose command was killed may save its state
ONCE = 2.0  # seconds within which several signals are one request: terminals and launchers send more than one
STOPPED = {signal.SIGTERM: 143, signal.SIGINT: 130}  # exit codes

P = ParamSpec("P")
T = TypeVar("T")


class Killed(RuntimeError):
    """Work whose process ended without an answer."""


class Request:
    """The signals by which a process was asked to end; a second Ctrl-C after `ONCE` seconds is a request to hurry."""

    def __init__(self) -> None:
        self.code = 0  # exit code of the first signal; 0 = not asked to end
        self._first = 0.0

    def add(self, number: int) -> bool:
        """Whether the process should end at once, without saving."""
        now = time.monotonic()
        self.code, first = self.code or STOPPED[signal.Signals(number)], self._first or now
        self._first = first
        return number == signal.SIGINT and now - first > ONCE


@contextmanager
def passed_on(stop: Callable[[], None], kill: Callable[[], None]) -> Iterator[Request]:
    """While a child works: SIGTERM and SIGINT of this process ask the child to save and end.

    stop  sends SIGTERM to the child; called for the first signal
    kill  ends the child at once; called for a Ctrl-C that comes more than `ONCE` seconds later
    """
    request = Request()

    def hear(number: int, frame: FrameType | None) -> None:
        again = request.code
        if request.add(number):
            kill()
        elif not again:
            stop()

    before = {number: signal.signal(number, hear) for number in STOPPED}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def isolated(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `work(*args, **kwargs)`, computed in a process of its own; its errors are raised here.

    Memory is given back to the system afterwards, and what kills the process does not kill the command. SIGTERM and
    SIGINT are passed on; once the process has saved and ended, `Stopped` is raised. No process is left behind.
    """
    roomy()
    resource_tracker.ensure_running()  # else `start` begins it, and lets signals through meanwhile
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, pickle.dumps((work, args, kwargs))))

    def end(how: Callable[[], None]) -> None:
        with suppress(AttributeError, ValueError):  # it is not yet started: `request` is looked at below
            how()

    answer: tuple[bool, Any] | None = None
    with passed_on(lambda: end(process.terminate), lambda: end(process.kill)) as request:
        with _held_back():  # the process begins with signals held back, and hears them when it can answer
            process.start()
        try:
            theirs.close()
            if request.code:
                process.terminate()
            with suppress(EOFError):
                answer = pickle.loads(ours.recv_bytes())
            process.join(GRACE)
        finally:
            ours.close()
            if process.is_alive():
                process.kill()
                process.join()
    if request.code:
        raise Stopped(request.code)
    if answer is None:
        raise Killed("its process was killed, by the system perhaps for want of memory")
    done, value = answer
    if not done:
        raise value
    return value


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals wait until the block ends; a process that is started in it inherits that until `_answer` begins."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(to: connection.Connection, given: bytes) -> None:
    """What the process of `isolated` does. Ctrl-C reaches it through its command, as SIGTERM; work that saves its
    state installs handlers of its own (`Asked`)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPED)
    try:
        _begin()
        work, args, kwargs = pickle.loads(given)
        answer = pickle.dumps((True, work(*args, **kwargs)))
    except BaseException as error:
        error.add_note(traceback.format_exc())
        try:
            answer = pickle.dumps((False, error))
            pickle.loads(answer)
        except Exception:  # an error of a class that cannot be sent
            answer = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    to.send_bytes(answer)


def processes(number: int) -> ProcessPoolExecutor:
    """A pool of so many processes that end with their command."""
    roomy()
    return ProcessPoolExecutor(number, mp.get_context("spawn"), initializer=_begin)


def roomy() -> None:
    """Let processes that are started from now on keep large arrays in huge pages, which Linux gives on request as most
    distributions set it: a training step on a CPU is mostly memory. `make bench` measures by how much."""
    os.environ.setdefault(*PAGES)


def _begin() -> None:
    """What every process does first: load the plugins of its command, and end with it."""
    plugins.load()
    _end_with_parent()


def _end_with_parent() -> None:
    """Ask this process to end when its command was killed, and end it after `GRACE` seconds."""
    parent = mp.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Asked:
    """Signals that ask a training to end (SIGTERM, Ctrl-C), from the process's first moment to its last.

    While nothing would be lost they raise `Stopped` at once; while it trains they set `code`, and the training saves
    after its step and ends. A second Ctrl-C, later than `ONCE` seconds after the first signal, ends it without saving.
    """

    def __init__(self) -> None:
        self._request = Request()
        self._idle = True  # nothing would be lost

    @property
    def code(self) -> int:
        """To exit with; 0 until the training is asked to end."""
        return self._request.code

    def __enter__(self) -> Asked:
        self._before = {number: signal.getsignal(number) for number in STOPPED}
        self._listen()
        return self

    def _listen(self) -> None:
        """Again when a training begins: Lightning installs a handler of its own, which broadcasts wherever a process
        is; two processes that are asked together, as a job's are, then wait for each other for ever."""
        for number in STOPPED:
            signal.signal(number, self._hear)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        first = not self.code
        if self._request.add(number):
            raise KeyboardInterrupt
        if self._idle and first:
            raise Stopped(self.code)

    def busy(self) -> None:
        """From here on a request waits until the training has saved."""
        self._listen()
        self._idle = False

    @contextmanager
    def idle(self) -> Iterator[None]:
        """While this lasts the state is on disk, and a request ends the process at once."""
        if self.code:
            raise Stopped(self.code)
        self._listen()
        self._idle = True
        try:
            yield
        finally:
            self._idle = False
