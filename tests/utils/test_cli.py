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
import torch

from headtohead.config.parsing import ConfigError
from headtohead.records.json_files import RecordError
from headtohead.records.leases import Taken
from headtohead.utils import processes
from headtohead.utils.cli import Parser, duration
from headtohead.utils.errors import Diverged, GivenUp, InputError, Stopped
from headtohead.utils.processes import StopSignals, isolated


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
    real = processes._blocked_signals

    def asked_meanwhile() -> AbstractContextManager[None]:
        threading.Timer(0.0 if early else 1.0, os.kill, (os.getpid(), number)).start()
        return real()

    monkeypatch.setattr(processes, "_blocked_signals", asked_meanwhile)
    before, others, began = signal.getsignal(signal.SIGINT), {*multiprocessing.active_children()}, time.monotonic()
    with pytest.raises(Stopped) as stop:
        isolated(time.sleep, 20)
    assert stop.value.code == code
    assert time.monotonic() - began < 10
    assert signal.getsignal(signal.SIGINT) is before
    assert {*multiprocessing.active_children()} <= others


def linger(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def command(code: str) -> subprocess.Popen[str]:
    """A process of its own session that knows these tests, and hears Ctrl-C as one in the foreground does."""
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, start_new_session=True, text=True,
        stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_work_ends_with_a_command_that_is_killed(tmp_path: Path) -> None:
    place = str(tmp_path / "pid")
    started = command(f"import test_cli as t; t.isolated(t.linger, {place!r})")
    while not (Path(place).exists() and Path(place).read_text()):
        assert started.poll() is None
        time.sleep(0.05)
    pid = int(Path(place).read_text())
    assert alive(pid)
    started.send_signal(signal.SIGKILL)
    started.communicate()
    for _ in range(100):
        if not alive(pid):
            break
        time.sleep(0.1)
    assert not alive(pid)


def train_and_save(path: str) -> None:
    """As a training does: a request to end is heard after the step, and then the state is saved."""
    with StopSignals() as signals:
        signals.defer()
        Path(path).write_text("training")
        while not signals.code:
            time.sleep(0.1)
        time.sleep(0.5)
        Path(path).write_text("saved")
        raise Stopped(signals.code)


def saves(path: str) -> int:
    return Parser("a.b", "").concluded(lambda: isolated(train_and_save, path))


@pytest.mark.parametrize("way", ["twice", "timeout", "terminal", "alone"])
def test_work_saves_and_nothing_is_left_however_it_is_asked_to_end(way: str, tmp_path: Path) -> None:
    place, group = tmp_path / "state", signal.SIGINT
    started = command(f"import sys, test_cli; sys.exit(test_cli.saves({str(place)!r}))")
    while not (place.exists() and place.read_text()):
        assert started.poll() is None
        time.sleep(0.05)
    if way in ("alone", "twice", "timeout"):
        started.send_signal(signal.SIGINT)
    if way == "twice":
        time.sleep(0.05)
        started.send_signal(signal.SIGINT)
    if way == "timeout":
        os.killpg(started.pid, group)
    if way == "terminal":
        os.killpg(started.pid, group)
        time.sleep(0.05)
        os.killpg(started.pid, group)
    _, said = started.communicate(timeout=30)
    assert (started.returncode, said) == (130, "b: stopped; the same command goes on from here\n")
    assert place.read_text() == "saved"


@pytest.mark.parametrize(
    ("there", "says"),
    [(True, "mps: has no double precision"), (False, "mps: this machine has none that torch can use")],
)
def test_a_device_that_cannot_be_used_is_refused_with_the_reason(
    there: bool, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there)
    parser = Parser("ablations.test", "A command.")
    parser.add_device()
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--device", "mps"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(f"test: argument --device: {says}")


@pytest.mark.parametrize(("seconds", "said"), [(40, "40 s"), (720, "12 min"), (12_000, "3 h 20 min")])
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said
