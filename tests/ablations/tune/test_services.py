"""A search with the services that it is meant for: PostgreSQL as its storage, optuna-dashboard to look at it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import one_machine_postgres as postgres
import optuna
import pytest
import services
from optuna.trial import TrialState
from searches import go, unreal

from ablations.sweep import sweep_file
from ablations.tune.trials import VOID, open_storage
from headtohead.records.json_files import read_json
from headtohead.records.read import runs

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
TRIALS, STEPS, EVERY = 3, 24, 8


@pytest.fixture
def database() -> Iterator[str]:
    pytest.importorskip("psycopg", reason='needs `pip install "psycopg[binary]"`')
    try:
        with postgres.running() as url:
            yield url
    except services.Missing as why:
        pytest.skip(str(why))


def worker(url: str, log: Path) -> subprocess.Popen[bytes]:
    """`make tune` in the current folder, in a process group of its own."""
    words = {
        "PY": sys.executable, "DESIGN": "clip_mse", "TRIALS": TRIALS, "SPACE": "tiny", "STORAGE": url, "STEPS": STEPS,
        "SET": f"evaluation.every={EVERY}",
    }  # fmt: skip
    make = ["make", "-f", ROOT / "Makefile", "-o", ".venv/.ready", "tune", *(f"{k}={v}" for k, v in words.items())]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    with log.open("w") as into:
        return subprocess.Popen(
            make, stdout=into, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker with everything that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_workers_that_share_postgresql_lose_no_trial_and_make_none_twice(place: Path, database: str) -> None:
    """One is killed in the middle of a run. The other takes up that trial, and its run, where it was left."""
    logs = [place / "killed.log", place / "other.log"]
    killed, other = (worker(database, log) for log in logs)
    with ExitStack() as ends:
        for one in (killed, other):
            ends.callback(end, one)

        def begun() -> bool:
            """Whether the first worker's run has a point and goes on."""
            names = re.findall(r"^(\S+): train\.", logs[0].read_text(), re.MULTILINE)
            return bool(names) and (place / "results/tune/tiny" / names[-1] / "curve.jsonl").exists()

        services.wait(begun, 900, logs[0].read_text)
        end(killed)
        (cut,) = re.findall(r"^(\S+): train\.", logs[0].read_text(), re.MULTILINE)
        assert other.wait(1200) == 0, logs[1].read_text()

    said = logs[1].read_text()
    storage = open_storage(database)
    study = optuna.load_study(study_name="tiny/clip_mse", storage=storage)
    assert [t.number for t in study.trials if VOID not in t.user_attrs] == list(range(TRIALS))
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * TRIALS
    names = [f"clip_mse+trial={k:03d}-s0" for k in range(TRIALS)]
    assert [run.name for run in runs(place / "results")] == names
    finished = re.findall(r"^(\S+): \d\.\d+ \(", logs[0].read_text() + said, re.MULTILINE)
    assert sorted(finished) == names
    for run in runs(place / "results"):
        points = [(line["step"], line["metric"]) for line in run.curve()]
        assert len(set(points)) == len(points)
        assert {step for step, _ in points} == set(range(EVERY, STEPS + 1, EVERY))
        assert run.state["state"] == "finished"
    assert f"{cut}: train." in said  # taken up under its own number
    assert re.search(rf"^{re.escape(cut)}: going on at step [1-9]", said, re.MULTILINE)

    written = place / "sweeps" / "tuned-tiny.yaml"
    assert sweep_file.read(written).tuned["clip_mse"].finished == TRIALS
    shown = said + written.read_text() + json.dumps(read_json(place / "results/tune/tiny/sweep.json"))
    assert postgres.PASSWORD not in shown
    assert f"postgresql://{postgres.USER}:***@127.0.0.1" in shown
    assert worker(database, place / "again.log").wait(900) == 0
    assert len(study.get_trials()) == TRIALS
    storage.engine.dispose()


def test_optuna_dashboard_shows_the_trials_of_a_search(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna_dashboard", reason="needs `pip install optuna-dashboard`")
    unreal(monkeypatch)
    assert go(many=3) == 0
    (port,) = services.free_ports(1)

    def get(path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{path}", timeout=30) as answer:
            return json.load(answer)

    def answers() -> bool:
        try:
            return bool(get("meta"))
        except OSError:
            return False

    with ExitStack() as ends:
        command = [str(Path(sys.executable).with_name("optuna-dashboard")), "--port", f"{port}"]
        services.daemon(ends, place / "log", *command, "sqlite:///results/tune/tiny.db")
        services.wait(answers, 300, (place / "log").read_text)
        (study,) = get("studies")["study_summaries"]
        trials = get(f"studies/{study['study_id']}")["trials"]
    assert study["study_name"] == "tiny/clip_mse"
    assert [t["state"] for t in trials] == ["Complete"] * 3
    assert {p["name"] for t in trials for p in t["params"]} == {"train.lr", "train.warmup", "train.ema"}
    stored = optuna.load_study(study_name="tiny/clip_mse", storage=open_storage("sqlite:///results/tune/tiny.db"))
    assert [t["values"] for t in trials] == [t.values for t in stored.trials]
