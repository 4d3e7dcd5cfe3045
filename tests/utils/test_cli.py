"""Work in a process of its own: its answer and its error come back, and it does not outlive its command."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from headtohead.config.parsing import ConfigError
from headtohead.records.json_files import RecordError
from headtohead.records.leases import Taken
from headtohead.utils import processes
from headtohead.utils.cli import duration
from headtohead.utils.errors import Diverged, GivenUp, InputError, Stopped
from headtohead.utils.processes import isolated


def halve(number: int) -> float:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number / 2


def test_answers_and_errors_come_back() -> None:
    assert isolated(halve, 8) == 4
    with pytest.raises(ValueError, match="3 is odd"):
        isolated(halve, 3)


RAISED = (Stopped(143), Diverged("loss"), GivenUp("pruned"), InputError("key"), ConfigError("key"), RecordError("file"),
          Taken("run"))  # fmt: skip


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_a_command_hears_what_work_raises_without_loading_torch(error: BaseException) -> None:
    code = f"import pickle, sys; print(repr(pickle.loads({pickle.dumps(error)!r})), 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == f"{error!r} False\n"


@pytest.mark.parametrize("early", [True, False], ids=["while it starts", "while it works"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_command_alone_ends_its_work(
    number: int, code: int, early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = processes._held_back

    def asked_meanwhile() -> AbstractContextManager[None]:
        threading.Timer(0.0 if early else 1.0, os.kill, (os.getpid(), number)).start()
        return real()

    monkeypatch.setattr(processes, "_held_back", asked_meanwhile)
    began = time.monotonic()
    with pytest.raises(Stopped) as stop:
        isolated(time.sleep, 20)
    assert stop.value.code == code
    assert time.monotonic() - began < 10
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not multiprocessing.active_children()


def linger(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_work_ends_with_a_command_that_is_killed(tmp_path: Path) -> None:
    place = str(tmp_path / "pid")
    code = f"import test_cli as t; t.isolated(t.linger, {place!r})"
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    started = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths})
    while not (Path(place).exists() and Path(place).read_text()):
        assert started.poll() is None
        time.sleep(0.05)
    pid = int(Path(place).read_text())
    assert alive(pid)
    started.send_signal(signal.SIGKILL)
    started.wait()
    for _ in range(100):
        if not alive(pid):
            break
        time.sleep(0.1)
    assert not alive(pid)


@pytest.mark.parametrize(("seconds", "said"), [(40, "40 s"), (720, "12 min"), (12_000, "3 h 20 min")])
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said
