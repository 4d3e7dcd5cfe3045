"""Processes of tests that begin with everything imported: forks of one server that has done nothing but import.

Importing torch, lightning, transformers and diffusers takes a process longer than what most tests do with it. The
commands themselves start fresh interpreters, which can use a GPU; tests of that keep `spawn`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import reduction
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from headtohead.utils import processes

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read on import: no test waits for a network
IMPORTED = ["headtohead.training.run", "headtohead.eval.rescore", "ablations.sweep.command", "ablations.report.build"]


class _Process(ForkServerProcess):
    """It has the environment and the output of its start, as a fresh interpreter would; the server has older ones."""

    def __init__(self, *args: Any, env: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.env = dict(os.environ) | (env or {})

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "output": [reduction.DupFd(number) for number in (1, 2)]}  # type: ignore[attr-defined]

    def run(self) -> None:
        for number, fd in enumerate(self.output, 1):  # type: ignore[attr-defined]
            os.dup2(fd.detach(), number)
        os.environ.clear()
        os.environ.update(self.env)
        super().run()


class Forks(ForkServerContext):
    Process = _Process


FORKS = Forks()
FORKS.set_forkserver_preload(IMPORTED)


def start(work: Callable[..., Any], *args: Any, env: dict[str, str] | None = None) -> _Process:
    """Call `work(*args)` in a process; `env` is added to its environment."""
    process = FORKS.Process(target=work, args=args, env=env)
    process.start()
    return process


def run(module: str, words: list[str], folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What `python -m module words` does in a folder, with `env` added to the environment; output and errors as one.

    Its own processes are forks too.
    """
    with tempfile.NamedTemporaryFile() as said:
        process = start(_command, module, words, folder, said.name, env=env)
        process.join()
        return subprocess.CompletedProcess([module, *words], process.exitcode or 0, Path(said.name).read_text())


def _command(module: str, words: list[str], folder: Path, said: str) -> None:
    output = os.open(said, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    os.chdir(folder)
    sys.argv = [module, *words]
    processes.SPAWN = multiprocessing.get_context("fork")  # type: ignore[assignment]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
