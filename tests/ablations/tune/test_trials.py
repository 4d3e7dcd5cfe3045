"""Trials: none is lost or made twice by whatever ends a process, and one that fails is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from searches import drawn, fit, go, unreal

from ablations.sweep import sweep_file
from ablations.tune import liveness, search_space, trials
from ablations.tune.trials import Trials, open_storage
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.records.json_files import read_json
from headtohead.records.recorder import Recorder
from headtohead.utils.errors import InputError


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve trials: past the random ones, where what is drawn depends on all that was told."""
    unreal(monkeypatch)
    assert go("--study", "whole", many=12) == 0
    monkeypatch.setattr(liveness.leases, "lives", lambda pid: False)  # as the next process would find the one before
    trained: list[str] = []

    def killed(config: RunConfig, folder: Path, *rest: Any) -> None:
        trained.append(folder.name)
        if len(trained) in (3, 4, 13):
            raise KeyboardInterrupt
        fit(config, folder, *rest)
        if len(trained) == 8:
            raise KeyboardInterrupt  # it was finished, and nobody told the study

    unreal(monkeypatch, killed)
    assert [go("--study", "cut", many=12) for _ in range(5)] == [130, 130, 130, 130, 0]
    assert drawn(study="cut") == drawn(study="whole")
    assert {state for state, _ in drawn(study="cut").values()} == {TrialState.COMPLETE}
    assert len(trained) == 15  # once each, and again for the three that were cut
    chosen = [sweep_file.read(Path("sweeps") / f"tuned-{study}.yaml").chosen for study in ("cut", "whole")]
    assert chosen[0] == chosen[1]


def test_a_failed_trial_counts_and_the_others_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sometimes(config: RunConfig, folder: Path, *rest: Any) -> None:
        if "trial=001" in folder.name:
            raise ArithmeticError("step 7: the loss is nan\x1b[31m")
        fit(config, folder, *rest)

    unreal(monkeypatch, sometimes)
    assert go() == 0
    assert [state.name for state, _ in drawn().values()] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    told = capsys.readouterr()
    assert told.out.splitlines()[1].split()[:5] == ["clip_mse", "4", "3", "0", "1"]
    reason = r"ArithmeticError: step 7: the loss is nan\x1b[31m"
    assert reason in told.err
    assert read_json(place / "results/tune/tiny/clip_mse+trial=001-s0/status.json")["reason"] == reason


def test_where_every_trial_fails_alike_it_is_not_the_settings(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: Any) -> None:
        raise InputError("no such model")

    unreal(monkeypatch, never)
    assert go(many=9) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "tune: clip_mse: 3 trials in a row failed for one reason: InputError: no such model"
    )
    assert len(drawn()) == 3
    assert not (place / "sweeps" / "tuned-tiny.yaml").exists()


def test_workers_share_the_trials_and_make_no_more(place: Path) -> None:
    """Four at once, each with its own connection, and never more trials than were asked for."""
    url, asked, made = f"sqlite:///{place}/shared.db", search_space.read("tiny"), []
    everybody = threading.Barrier(4)

    def work() -> None:
        own = Trials(open_storage(url), "shared", asked, "clip_mse", 10, False)
        everybody.wait()
        while held := own.next():
            made.append(held.number)
            held.finished(0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = Trials(open_storage(url), "shared", asked, "clip_mse", 10, False)
    assert len(made) == len(set(made)) == len(own.all()) == own.count(TrialState.COMPLETE) == 10


def test_what_another_worker_is_at_is_left_to_it_and_nothing_is_chosen_yet(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    own = Trials(
        open_storage("sqlite:///results/tune/tiny.db"), "tiny/clip_mse", search_space.read("tiny"), "clip_mse", 4, False
    )
    held = own.next()
    assert held
    assert go() == 1
    assert "1 trials still run elsewhere" in capsys.readouterr().err
    assert [state.name for state, _ in drawn().values()] == ["RUNNING", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert not (place / "sweeps" / "tuned-tiny.yaml").exists()
    held.trial.set_user_attr(liveness.BY, {"host": "gone", "pid": 1, "thread": 1, "seen": 1.0})
    monkeypatch.setattr(liveness, "TIMEOUT", 0.2)
    assert go() == 0
    assert {state.name for state, _ in drawn().values()} == {"COMPLETE"}


def test_a_trial_that_ended_while_it_was_drawn_does_not_count(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "TIMEOUT", 0.2)
    own = Trials(open_storage("sqlite:///half.db"), "half", search_space.read("tiny"), "clip_mse", 2, False)
    half = own.study.ask({"train.lr": trials.distribution(own.search.space["train.lr"])})
    half.set_user_attr(liveness.BY, {"host": "gone", "pid": 1, "thread": 1, "seen": 1.0})
    while held := own.next():
        held.finished(0.5)
    assert [t.number for t in own.all()] == [1, 2]


def test_one_that_trails_behind_is_pruned_where_that_is_asked_for(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Points come through the logger that a training is given; never at its end, where all was spent already."""

    def telling(config: RunConfig, folder: Path, cache: Path, device: str, told: Any) -> None:
        Recorder(folder).begin({})
        good = "trial=007" not in folder.name
        (logger,) = told(0)
        for step in (3, config.train.steps):
            score = 0.5 if good or step > 3 else 0.1
            logger.log_metrics({"loss": 0.0}, step)
            for _ in range(2):  # measured again after an interruption
                logger.log_metrics({"geneval/overall": score, "dpg/overall": score}, step)
        fit(config, folder)

    unreal(monkeypatch, telling)
    assert go("--prune", many=9) == 0
    states = [state.name for state, _ in drawn().values()]
    assert states == ["COMPLETE"] * 7 + ["PRUNED", "COMPLETE"]
    assert "clip_mse+trial=007-s0: pruned at step 3" in capsys.readouterr().err
    written = sweep_file.read(place / "sweeps" / "tuned-tiny.yaml")
    assert written.tuned["clip_mse"].pruned
    assert written.tuned["clip_mse"].finished == 8


def test_a_folder_of_something_else_is_said_and_fails_no_trial(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    other = configure("vae_flow")
    Recorder(place / "results/tune/tiny/clip_mse+trial=000-s0").begin({**other.plain(), "hash": other.hash})
    assert go(many=1) == 2
    assert "holds another configuration" in capsys.readouterr().err
    assert [state.name for state, _ in drawn().values()] == ["RUNNING"]
