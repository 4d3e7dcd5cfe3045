"""Who works on a trial: told by processes, claims and changing signs, and never by two machines' clocks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from searches import drawn, fit, go, unreal

from ablations.tune import liveness
from ablations.tune.liveness import Liveness, Monitor, heartbeat
from headtohead.config.run_config import RunConfig
from headtohead.records import leases
from headtohead.records.json_files import write

NAME = "clip_mse+trial=001-s0"
ELSEWHERE = {"place": "another machine", "host": "node2", "pid": 42, "thread": 42}


def trial(**by: Any) -> FrozenTrial:
    return optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={liveness.RUN: NAME, liveness.BY: by})


def lease(folder: Path, silent: float = 0.0, **more: Any) -> None:
    """Of the worker elsewhere, last heard of so many seconds ago."""
    path = folder / NAME / "claims" / "0001.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, {"host": "node2", "pid": 43, "place": "another machine", "started": 1.0, **more})
    beat = time.time() - silent
    os.utime(path, (beat, beat))


@pytest.fixture
def dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("skew", [-1e4, 0, 1e4])
def test_a_sign_that_changes_is_of_somebody_whatever_its_clock_says(skew: float) -> None:
    watch, now = Monitor(), time.time() + skew
    assert watch.state(trial(**ELSEWHERE, seen=now)) is Liveness.UNKNOWN
    assert watch.state(trial(**ELSEWHERE, seen=now)) is Liveness.UNKNOWN
    assert watch.state(trial(**ELSEWHERE, seen=now + 15)) is Liveness.ALIVE


def test_a_sign_that_stays_the_same_is_of_nobody_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, left = Monitor(), trial(**ELSEWHERE, seen=time.time())
    assert watch.state(left) is Liveness.UNKNOWN
    monkeypatch.setattr(liveness, "TIMEOUT", -1.0)
    assert watch.state(left) is Liveness.DEAD


def test_a_process_counts_where_its_number_means_something(dead: int) -> None:
    """Containers of one image share a machine's name, and not its processes."""
    here = {**heartbeat(), "pid": dead}
    assert Monitor().state(trial(**heartbeat())) is Liveness.ALIVE
    assert Monitor().state(trial(**here)) is Liveness.DEAD
    assert Monitor().state(trial(**{**here, "place": "another container"})) is Liveness.UNKNOWN


def released(folder: Path) -> None:
    lease(folder, released=1.0)


def silent(folder: Path) -> None:
    lease(folder, 100)


@pytest.mark.parametrize(
    ("made", "standing"), [(lease, Liveness.ALIVE), (silent, Liveness.DEAD), (released, Liveness.UNKNOWN)]
)
def test_in_a_shared_folder_the_runs_claim_tells(
    made: Callable[[Path], None], standing: Liveness, tmp_path: Path
) -> None:
    made(tmp_path)
    assert Monitor(tmp_path).state(trial(**ELSEWHERE)) is standing
    somebody = {**ELSEWHERE, "place": "a third machine"}  # whose folder is another: this lease is not of its run
    assert Monitor(tmp_path).state(trial(**somebody)) is Liveness.UNKNOWN


def test_what_a_killed_worker_left_running_is_waited_for(tmp_path: Path, dead: int) -> None:
    with leases.acquire(tmp_path / NAME):
        assert Monitor(tmp_path).state(trial(**{**heartbeat(), "pid": dead})) is Liveness.UNKNOWN
    assert Monitor(tmp_path).state(trial(**{**heartbeat(), "pid": dead})) is Liveness.DEAD


def test_a_run_that_somebody_holds_is_left_and_the_search_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def held(config: RunConfig, folder: Path, *rest: Any) -> None:
        with leases.acquire(folder):
            pass  # as a run does before it writes
        fit(config, folder, *rest)

    unreal(monkeypatch, held)
    study = place / "results" / "tune" / "tiny"
    lease(study)
    assert go() == 1
    told = capsys.readouterr().err
    assert f"{NAME}: " in told
    assert "node2:43 works on it; left to it" in told
    assert [state.name for state, _ in drawn().values()] == ["COMPLETE", "RUNNING", "COMPLETE", "COMPLETE"]
    lease(study, 100)
    monkeypatch.setattr(liveness.leases, "lives", lambda pid: False)  # as the next process would find this one
    assert go() == 0
    assert {state.name for state, _ in drawn().values()} == {"COMPLETE"}
