"""Run functions in child processes, and handle the signals that ask a process to stop (SIGTERM, SIGINT)."""

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

HUGE_PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")  # read by glibc 2.35 and later when a process starts
SPAWN = mp.get_context("spawn")  # a fork cannot use a GPU that its parent has only asked about
GRACE = 30.0  # seconds that a child has to save its state after its parent was killed
SAME_REQUEST = 2.0  # seconds within which signals count as one request: terminals and launchers send several
EXIT_CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}  # of a process that a signal stopped

P = ParamSpec("P")
T = TypeVar("T")


class Killed(RuntimeError):
    """Raised when a child process ended without returning a result."""


class StopRequest:
    """Stop signals that a process has received."""

    def __init__(self) -> None:
        self.code = 0  # exit code of the first signal; 0 before it
        self._first = 0.0

    def add(self, number: int) -> bool:
        """Count a signal; True if it is a repeated Ctrl-C, after which the process ends without saving."""
        now = time.monotonic()
        self.code, first = self.code or EXIT_CODES[signal.Signals(number)], self._first or now
        self._first = first
        return number == signal.SIGINT and now - first > SAME_REQUEST


@contextmanager
def forwarding(stop: Callable[[], None], kill: Callable[[], None]) -> Iterator[StopRequest]:
    """Forward SIGTERM and SIGINT of this process to a child.

    stop  sends SIGTERM to the child, which saves and ends; called for the first signal
    kill  ends the child at once; called for a Ctrl-C more than `SAME_REQUEST` seconds later
    """
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        repeated = request.code
        if request.add(number):
            kill()
        elif not repeated:
            stop()

    before = {number: signal.signal(number, handle) for number in EXIT_CODES}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def isolated(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work(*args, **kwargs)` in a child process and return its result; its exceptions are raised here.

    The child's memory is freed when it ends, and its death does not end this process. SIGTERM and SIGINT are forwarded;
    `Stopped` is raised once the child has saved and ended. No process is left behind.
    """
    use_huge_pages()
    resource_tracker.ensure_running()  # otherwise `start` launches it and unblocks signals meanwhile
    ours, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_child, args=(theirs, pickle.dumps((work, args, kwargs))))

    def end(how: Callable[[], None]) -> None:
        with suppress(AttributeError, ValueError):  # not started yet: `request.code` is checked after the start
            how()

    result: tuple[bool, Any] | None = None
    with forwarding(lambda: end(process.terminate), lambda: end(process.kill)) as request:
        with _blocked_signals():  # the child inherits this, and unblocks them once its handlers are set
            process.start()
        try:
            theirs.close()
            if request.code:
                process.terminate()
            with suppress(EOFError):
                result = pickle.loads(ours.recv_bytes())
            process.join(GRACE)
        finally:
            ours.close()
            if process.is_alive():
                process.kill()
                process.join()
    if request.code:
        raise Stopped(request.code)
    if result is None:
        raise Killed("its process was killed; the system may have run out of memory")
    done, value = result
    if not done:
        raise value
    return value


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Block the stop signals until the block ends, and in a child that is started in it until `_child` runs."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, EXIT_CODES)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _child(to: connection.Connection, given: bytes) -> None:
    """Main function of a child of `isolated`. Its parent forwards Ctrl-C as SIGTERM; work that saves its state
    installs its own handlers (`StopSignals`)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, EXIT_CODES)
    try:
        _begin()
        work, args, kwargs = pickle.loads(given)
        result = pickle.dumps((True, work(*args, **kwargs)))
    except BaseException as error:
        error.add_note(traceback.format_exc())
        try:
            result = pickle.dumps((False, error))
            pickle.loads(result)
        except Exception:  # the exception cannot be pickled
            result = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    to.send_bytes(result)


def processes(number: int) -> ProcessPoolExecutor:
    """A pool of child processes that end with this one."""
    use_huge_pages()
    return ProcessPoolExecutor(number, SPAWN, initializer=_begin)


def use_huge_pages() -> None:
    """Let processes that are started from now on allocate large arrays in huge pages, which Linux grants on request by
    default. Training on a CPU is bound by memory; `make bench` measures the gain."""
    os.environ.setdefault(*HUGE_PAGES)


def _begin() -> None:
    """Set up a child process: load the plugins of its parent, and end with it."""
    plugins.load()
    _end_with_parent()


def _end_with_parent() -> None:
    """Send SIGTERM to this process when its parent was killed, and end it after `GRACE` seconds."""
    parent = mp.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class StopSignals:
    """Handles SIGTERM and Ctrl-C of a training, from its start to its end.

    While its state is on disk they raise `Stopped` at once. While it trains they set `code`, and the training saves and
    ends after its step. A second Ctrl-C, more than `SAME_REQUEST` seconds after the first signal, ends it unsaved.
    """

    def __init__(self) -> None:
        self._request = StopRequest()
        self._saved = True

    @property
    def code(self) -> int:
        """The exit code that was asked for; 0 before a signal."""
        return self._request.code

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.getsignal(number) for number in EXIT_CODES}
        self._install()
        return self

    def _install(self) -> None:
        """Install the handlers, again when training begins: Lightning replaces them by one that broadcasts from
        wherever the process is, so that ranks of a job, which are signalled together, wait for each other forever."""
        for number in EXIT_CODES:
            signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = not self.code
        if self._request.add(number):
            raise KeyboardInterrupt
        if self._saved and first:
            raise Stopped(self.code)

    def defer(self) -> None:
        """From now on signals only set `code`; the training saves first."""
        self._install()
        self._saved = False

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Within the block the state is on disk, and signals raise `Stopped` at once."""
        if self.code:
            raise Stopped(self.code)
        self._install()
        self._saved = True
        try:
            yield
        finally:
            self._saved = False
