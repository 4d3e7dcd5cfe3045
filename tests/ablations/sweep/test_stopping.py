"""A sweep that is asked to end, in whatever it is doing: its run is saved, and no process of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small import SMALL

from headtohead.records.read import runs

# Seconds from the first signal to the end of the last process; more where other work shares the cores.
PATIENCE = 10.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
LONG = {**SMALL, "train.steps": 100_000, "evaluation.every": 100_000}
OFTEN = {**LONG, "evaluation.every": 1, "evaluation.geneval": 600, "evaluation.dpg": 200}


def alone(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def twice(process: subprocess.Popen[str]) -> None:
    alone(process)
    time.sleep(0.05)
    alone(process)


def group(process: subprocess.Popen[str]) -> None:
    """As `timeout -s INT` does: to the command, then to all of its processes."""
    alone(process)
    os.killpg(process.pid, signal.SIGINT)


def terminal(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, pressed twice."""
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)


def begun(results: Path, doing: str) -> bool:
    """What the run's record says; before there is one it says nothing."""
    return any(f'"{doing}"' in path.read_text() for path in results.rglob("progress.json"))


def living(session: int) -> list[str]:
    """Processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # ended meanwhile
            continue
        if int(own) == session and state != "Z":
            found.append(stat.parent.name)
    return found


slow = pytest.mark.slow


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize(
    ("doing", "ask"),
    [
        ("importing", terminal),
        pytest.param("training", twice, marks=slow),
        pytest.param("importing", alone, marks=slow),
        pytest.param("estimating", twice, marks=slow),
        pytest.param("training", group, marks=slow),
        pytest.param("training", terminal, marks=slow),
        pytest.param("measuring", alone, marks=slow),
        pytest.param("measuring", group, marks=slow),
    ],
)
def test_it_is_saved_stopped_and_gone(doing: str, ask: Callable[[subprocess.Popen[str]], None], tmp_path: Path) -> None:
    settings = [f"{key}={value}" for key, value in (OFTEN if doing == "measuring" else LONG).items()]
    words = ["--design", "vae_flow", "--set", *settings, "--results", str(tmp_path / "results")]
    words += ["--cache", str(tmp_path / "cache"), "--device", "cpu", *(["--no-estimate"] * (doing != "estimating"))]
    process = subprocess.Popen(
        [sys.executable, "-m", "ablations.sweep", *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stderr
    if doing in ("importing", "estimating"):
        sentence = "timing" if doing == "estimating" else "a point every"
        while sentence not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(1)
    while doing in ("training", "measuring") and not begun(tmp_path, doing):
        assert process.poll() is None
        time.sleep(0.05)
    began = time.monotonic()
    ask(process)
    try:
        _, said = process.communicate(timeout=2 * PATIENCE)
        while living(process.pid) and time.monotonic() < began + 2 * PATIENCE:
            time.sleep(0.05)
        assert time.monotonic() - began < PATIENCE
        assert not living(process.pid)
    finally:
        for pid in living(process.pid):
            os.kill(int(pid), signal.SIGKILL)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "sweep: stopped; the same command goes on from here"
    assert "Traceback" not in said
    if doing in ("training", "measuring"):
        (run,) = runs(tmp_path / "results")
        assert run.state["state"] == "stopped"
        assert list((run.folder / "checkpoints").glob("*.json"))
