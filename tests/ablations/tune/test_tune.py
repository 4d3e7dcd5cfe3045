"""Searches: equal budgets, dev prompts alone, and what was chosen as a sweep."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from searches import BEST, drawn, fit, go, unreal
from small import LINEAR

from ablations.report import build
from ablations.sweep import command as sweep
from ablations.sweep import sweep_file
from ablations.tune import best_of_grid, run_trial
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.records import sweep_folder
from headtohead.records.read import runs


def test_two_real_trials_end_to_end(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained, measured on dev prompts, chosen from; and a second start has nothing to do."""
    assert go(many=2) == 0
    told = capsys.readouterr()
    found = {run.name: run for run in runs(place / "results")}
    assert list(found) == ["clip_mse+trial=000-s0", "clip_mse+trial=001-s0"]
    assert {run.config["evaluation"]["split"] for run in found.values()} == {"dev"}
    assert {run.state["state"] for run in found.values()} == {"finished"}
    settings = {number: params for number, (_, params) in drawn().items()}
    assert [run.config["train"]["lr"] for run in found.values()] == [settings[k]["train.lr"] for k in (0, 1)]
    scores = [run_trial.final_score(run.folder) for run in found.values()]
    best = scores.index(max(scores))
    written = sweep_file.read(place / "sweeps" / "tuned-tiny.yaml")
    assert written.chosen == {"clip_mse": settings[best]}
    assert written.tuned
    told_of = written.tuned["clip_mse"]
    assert (told_of.trials, told_of.steps, told_of.study, told_of.finished) == (2, 6, "tiny", 2)
    row = told.out.splitlines()[1].split()
    assert row[:5] == ["clip_mse", "2", "2", "0", "0"]
    assert row[5:7] == [f"{max(scores):.4f}", str(best)]
    began = {run.name: (run.folder / "status.json").stat().st_mtime_ns for run in found.values()}
    assert go(many=2) == 0
    assert {run.name: (run.folder / "status.json").stat().st_mtime_ns for run in found.values()} == began


def test_every_design_has_the_same_budget_and_the_best_is_chosen(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    assert go(many=6, designs=("clip_mse", "vae_flow")) == 0
    text = (place / "sweeps" / "tuned-tiny.yaml").read_text()
    assert text.startswith("# Chosen by study tiny in sqlite:///results/tune/tiny.db:\n")
    assert "# make tune DESIGN='clip_mse vae_flow' TRIALS=6 SPACE=tiny" in text
    written = sweep_file.read(place / "sweeps" / "tuned-tiny.yaml")
    for design in ("clip_mse", "vae_flow"):
        tried = [params for _, params in drawn(design).values()]
        assert len(tried) == 6
        best = min(tried, key=lambda p: abs(p["train.lr"] - BEST))
        assert written.chosen[design] == best
    assert drawn("clip_mse")[0] == drawn("vae_flow")[0]  # before anything is known, designs are drawn alike
    own = written.runs()["vae_flow-s2"]
    assert own.train.lr == written.chosen["vae_flow"]["train.lr"]
    assert (own.evaluation.split, own.train.steps) == ("test", configure("vae_flow").train.steps)
    assert own.data.pictures == LINEAR["data.pictures"]  # under which the search's choice holds
    (found,) = best_of_grid.choices(place / "results" / "tune" / "tiny")[:1]
    assert len(found.scores) == 6
    capsys.readouterr()


@pytest.mark.usefixtures("undrawn")
def test_a_report_says_what_the_search_was_allowed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And settings that it chose for each design do not keep designs from being compared."""
    unreal(monkeypatch)
    assert go(many=3, designs=("clip_flow", "vae_flow")) == 0
    written = sweep_file.read(place / "sweeps" / "tuned-tiny.yaml")
    folder, configs = place / "results" / "tuned", written.runs()
    for name, config in configs.items():
        fit(config, folder / name)
    hostile = {d: replace(t, storage="<script>hit()</script>") for d, t in written.tuned.items()}
    sweep_folder.remember(folder, "make sweep NAME=tuned-tiny", configs, hostile)
    assert build.main([str(folder)]) == 0
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    told = "the best of 3 trials of 6 steps by the mean of GenEval and DPG at the last point, on dev prompts"
    assert told in page
    assert told in text
    assert "train.lr: 0.0001 to 0.1, logarithmic" in text
    assert "<script>hit" not in page + text
    assert "train.ema is" not in text  # as a reason not to compare


def test_what_was_chosen_is_swept_and_settings_by_hand_are_no_searchs(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    assert go(many=3) == 0
    best = sweep_file.read(place / "sweeps" / "tuned-tiny.yaml").chosen["clip_mse"]
    begun: list[tuple[dict[str, RunConfig], dict[str, sweep_folder.Tuned]]] = []

    def remember(
        folder: Path, command: str, runs: dict[str, RunConfig], tuned: dict[str, sweep_folder.Tuned], note: str
    ) -> None:
        begun.append((runs, tuned))
        raise OSError(0, "enough")

    monkeypatch.setattr(sweep_folder, "remember", remember)
    assert sweep.main(["tuned-tiny"]) == sweep.main(["tuned-tiny", "--set", "train.lr=0.5"]) == 2
    (runs, tuned), (by_hand, none) = begun
    assert {run.train.lr for run in runs.values()} == {best["train.lr"]}
    assert {run.train.lr for run in by_hand.values()} == {0.5}
    assert list(tuned) == ["clip_mse"]
    assert none == {}
    assert sweep.main(["tuned-tiny", "--design", "vae_mse"]) == 2
    assert "chosen: has nothing for vae_mse: the search was not for it" in capsys.readouterr().err


def test_the_command_loads_no_torch() -> None:
    code = "import sys, ablations.tune.command; print([m for m in ('torch', 'lightning') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
