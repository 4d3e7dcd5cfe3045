"""Services that slow tests start on this machine: packages of Debian, processes that end with the test, waiting."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path


class Missing(Exception):
    """Why a service cannot run on this machine."""


def install(packages: Sequence[str], there: Callable[[], bool]) -> None:
    """Install packages of Debian, unless `there` says that their programs are there; needs root and a mirror."""
    if there():
        return
    if os.geteuid() or shutil.which("apt-get") is None:
        raise Missing(f"{packages[0]} is not installed, and only root on Debian can install it here")
    apt = ["apt-get", "-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run([*apt, *step], capture_output=True, text=True, check=False, env=quiet)
        if done.returncode:
            raise Missing(f"apt-get {step[0]}: {' '.join(done.stderr.split())[-200:]}")


def daemon(ends: ExitStack, log: Path, *command: str, user: str = "", end: signal.Signals = signal.SIGTERM) -> None:
    """Start a process that ends with `ends`, and with this process even where that is killed.

    log   file for its output
    user  whom root starts it as; empty for root itself
    end   signal that ends it; SIGKILL follows after 20 s
    """
    who = ["--reuid", user, "--regid", user, "--clear-groups"] if user and not os.geteuid() else []
    words = ["setpriv", *who, "--pdeathsig", end.name.removeprefix("SIG"), *command]
    with log.open("w") as into:
        process = subprocess.Popen(words, stdout=into, stderr=subprocess.STDOUT, cwd=log.parent)

    def stop() -> None:
        process.send_signal(end)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    ends.callback(stop)


def wait(until: Callable[[], bool], seconds: float, about: Callable[[], str] = lambda: "") -> None:
    """Wait until a condition holds; `about` adds to the error what is known when it does not in time."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s; {about()}")
        time.sleep(0.1)


def free_ports(number: int) -> list[int]:
    """Of 127.0.0.1."""
    with ExitStack() as free:
        sockets = [free.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [s.getsockname()[1] for s in sockets]
