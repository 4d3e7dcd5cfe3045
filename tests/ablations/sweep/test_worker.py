"""Several workers, one sweep: who comes second leaves the first one's run alone, and no run's trouble ends others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from small import SMALL, small

from ablations.sweep import worker
from ablations.sweep.launch import Launch
from ablations.sweep.worker import Worker
from headtohead.config.presets import configure
from headtohead.records import leases
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder
from headtohead.training.run import main

NAME, CONFIG = "vae_flow-s0", configure("vae_flow", overrides=SMALL)


@dataclass(frozen=True)
class Launched(Launch):
    """Processes whose part is played here."""

    by: str = "torchrun"
    ends: Callable[[], int] = lambda: 1

    def run(self, module: str, arguments: list[str]) -> int:
        return self.ends()

    def submit(self, folder: Path, name: str, module: str, arguments: list[str]) -> str:
        self.ends()
        return "7"


def working(folder: Path, launch: Launch) -> Worker:
    return Worker(folder, folder / "cache", "cpu", launch)


def state(folder: Path) -> str:
    return str(runs(folder / NAME)[0].state["state"])


@pytest.mark.parametrize("says", [1, leases.TAKEN])  # torchrun, and what it starts
def test_who_comes_second_waits_for_the_first_ones_run(
    says: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, first, part = tmp_path / NAME, ExitStack(), tmp_path / NAME / "checkpoints" / "0000003.part"

    def other_is_faster() -> int:
        lease = first.enter_context(leases.acquire(run))
        Recorder(run, lease).status("running")
        part.parent.mkdir()
        part.write_text("half of a state")
        return says

    def finishes(seconds: float) -> None:
        assert state(tmp_path) == "running"
        Recorder(run).ended("failed", "not theirs to say")
        assert state(tmp_path) == "running"
        with first:
            (run / "status.json").write_text(json.dumps({"state": "finished"}))

    monkeypatch.setattr(worker.time, "sleep", finishes)
    assert working(tmp_path, Launched(ends=other_is_faster)).work({NAME: CONFIG}) == {NAME: 0}
    assert part.read_text() == "half of a state"
    assert "failed" not in capsys.readouterr().err


def test_what_a_launcher_prepares_touches_nothing_of_a_faster_ones(tmp_path: Path) -> None:
    run = tmp_path / NAME
    Recorder(run).begin(CONFIG.record())
    part, before = run / "half.part", (run / "config.json").stat().st_mtime_ns

    def begins() -> int:
        assert (run / "config.json").stat().st_mtime_ns == before
        return 9

    part.touch()
    assert working(tmp_path, Launched(ends=begins)).work({NAME: CONFIG}) == {NAME: 9}
    assert part.exists()
    assert state(tmp_path) == "failed"


def test_a_job_that_began_at_once_is_not_put_back_into_the_queue(tmp_path: Path) -> None:
    with ExitStack() as job:

        def begins() -> int:
            Recorder(tmp_path / NAME, job.enter_context(leases.acquire(tmp_path / NAME))).status("running")
            return 0

        assert working(tmp_path, Launched(by="slurm", ends=begins)).work({NAME: CONFIG}) == {NAME: 0}
        assert state(tmp_path) == "running"
    assert working(tmp_path / "other", Launched(by="slurm")).work({NAME: CONFIG}) == {NAME: 0}
    assert state(tmp_path / "other") == "queued"


def test_a_run_that_is_somebody_elses_has_an_exit_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Recorder(tmp_path).begin(CONFIG.record())
    with leases.acquire(tmp_path):
        assert main([str(tmp_path), "--device", "cpu"]) == leases.TAKEN
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f":{os.getpid()} works on it" in said


def test_a_folder_that_came_to_hold_another_run_fails_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, edited = "vae_mse-s0", configure("vae_mse", overrides={**small("vae_mse"), "train.lr": 0.001})
    asked = {
        name: configure(design, overrides=small(design))
        for name in (NAME, other, "clip_mse-s0")
        if (design := name[:-3])
    }

    def edits() -> int:
        Recorder(tmp_path / other).begin(edited.record())
        Recorder(tmp_path / other).status("finished")
        return 1

    codes = working(tmp_path, Launched(ends=edits)).work(asked)
    assert codes == {NAME: 1, other: 2, "clip_mse-s0": 1}
    assert "holds another configuration (train.lr: 0.001 there, 0.003 here)" in capsys.readouterr().err
    assert runs(tmp_path / other)[0].state["state"] == "finished"
