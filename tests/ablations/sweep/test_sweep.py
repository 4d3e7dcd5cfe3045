"""A whole sweep by its commands: it trains, goes on after a broken run, skips what is finished, is scored again."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from small import SMALL

from ablations.plan import timing
from ablations.posthoc import guidance, paint, rescore
from ablations.report import build
from ablations.sweep import command as sweep
from ablations.sweep import time_estimate
from headtohead.eval.curve_points import synthetic
from headtohead.records.layout import RESCORED
from headtohead.records.read import runs

SETTINGS = ["--set", *(f"{key}={value}" for key, value in SMALL.items() if key != "train.steps"), "--steps", "6"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two finished runs and one that broke."""
    place = tmp_path_factory.mktemp("sweep")
    (place / "cache").mkdir()
    asked = [*SETTINGS, "--results", str(place / "results"), "--cache", str(place / "cache")]
    assert sweep.main(["--design", "clip_flow", "clip_mse", *asked, "--device", "cpu"]) == 0
    # A cache below a file cannot be made: the run that needs it breaks, the finished one is not touched.
    broken = [*asked[:-1], str(place / "cache" / "none" / "x")]
    (place / "cache" / "none").write_text("a file")
    assert sweep.main(["--design", "vae_flow", "clip_mse", *broken, "--device", "cpu", "--no-estimate"]) == 2
    return place / "results"


def test_runs_are_recorded_and_a_broken_one_is_said(place: Path) -> None:
    found = {run.name: run for run in runs(place)}
    assert {name: run.state["state"] for name, run in found.items()} == {
        "clip_flow-s0": "finished",
        "clip_mse-s0": "finished",
        "vae_flow-s0": "failed",
    }
    assert "none" in found["vae_flow-s0"].state["reason"]
    assert "Traceback" not in found["vae_flow-s0"].state["reason"]
    state = found["clip_flow-s0"].state
    assert state["trainable"] > 0
    assert state["peak_mb"] > 100
    assert state["flops"] == found["clip_flow-s0"].curve()[-1]["flops"]
    (folder,) = place.glob("micro-*")
    (exam,) = (folder / "exams").glob("*.json")
    asked = json.loads(exam.read_text())["prompts"]
    assert len(asked) == 15
    (first, last) = found["clip_flow-s0"].lines("prompts.jsonl")
    assert first["exam"] == last["exam"] == exam.stem
    assert len(last["scores"]) == 15
    assert not list((folder / "clip_flow-s0" / "checkpoints").iterdir())


def test_what_is_going_to_happen_is_said_first(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep.Worker, "work", lambda self, runs: {})
    monkeypatch.setattr(time_estimate, "SMALL", 0)  # runs as short as these are else not timed
    monkeypatch.setattr(time_estimate, "isolated", lambda work, *given: work(*given))
    for part in (timing, synthetic):
        monkeypatch.setattr(part, "TRIED", 6)
    asked = ["--results", str(place), "--design", "clip_flow", "clip_mse", "--seeds", "0,1", *SETTINGS]
    assert sweep.main([*asked, "--device", "cpu"]) == 0
    told = capsys.readouterr().err.splitlines()
    (skipped,) = [line for line in told if line.startswith("  clip_flow-s0")]
    assert "finished" in skipped
    assert "about" not in skipped
    (new,) = [line for line in told if line.startswith("  clip_flow-s1")]
    assert "6 steps of 8, a point every 3, about" in new
    assert "in all" in told[-1]


@pytest.mark.usefixtures("undrawn")
def test_kept_weights_are_scored_again_and_only_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guidance.main([str(place), "--scales", "1,4", "--device", "cpu"]) == 0
    told = capsys.readouterr()
    assert len([line for line in told.out.splitlines() if "clip_flow" in line]) == 2
    assert (place / "figures" / "guidance.pdf").exists()
    (run,) = runs(next(place.glob("micro-*")) / "clip_flow-s0")
    own = {line["metric"]: line["value"] for line in run.curve()}
    again = {line["metric"]: line["value"] for line in run.lines(RESCORED) if line["how"]["guidance"] == 4.0}
    assert again["fid"] == own["fid"]  # the run itself samples so
    count = len(run.lines(RESCORED))
    assert guidance.main([str(place), "--scales", "1,4", "--device", "cpu"]) == 0
    assert len(run.lines(RESCORED)) == count
    figures = (place / "figures").rename(place / "before")
    (place / "figures").touch()
    capsys.readouterr()
    assert guidance.main([str(place), "--scales", "1,4", "--device", "cpu"]) == 2
    assert capsys.readouterr().err == f"guidance: {place / 'figures'}: File exists\n"
    (place / "figures").unlink()
    figures.rename(place / "figures")
    assert rescore.main([str(place), "--set", "solver=heun", "--split", "dev", "--device", "cpu"]) == 0
    assert {line["how"]["split"] for line in run.lines(RESCORED)} == {"test", "dev"}
    assert build.main([str(place)]) == 0
    assert "Guidance trades" in (place / "report.html").read_text()


def test_kept_weights_paint_what_is_asked(place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.txt").write_text("a red circle\n\na large blue star above a small green square\n")
    for number, asked in enumerate((["--prompt", "a red circle"], ["--file", f"{tmp_path / 'prompts.txt'}"])):
        given = [str(place), *asked, "--times", "3", "--seed", "4", "--device", "cpu", "--out", f"{tmp_path / 'out'}"]
        assert paint.main(given) == 0
        told = capfd.readouterr()
        assert f"clip_flow-s0: {(number + 1) * 3} pictures" in told.err
        assert told.out.splitlines() == [f"{tmp_path / 'out' / 'painted.png'}"]
        with Image.open(tmp_path / "out/painted.png") as shown:
            assert shown.height > 130 * (number + 1) * 0.8
    assert paint.main([str(place), "--prompt", "a red circle", "--device", "cpu"]) == 0
    assert build.main([str(place)]) == 0
    for page in ("report.html", "report.md"):
        assert "Prompts painted from kept weights" in (place / page).read_text()


@pytest.mark.parametrize(
    ("command", "given", "says"),
    [
        (paint, ["--design", "clip_flw"], "--design: unknown design clip_flw; did you mean clip_flow?"),
        (paint, ["--file", "no/such.txt"], "paint: no/such.txt: No such file or directory"),
        (paint, ["--prompt", *["a circle"] * 61], "--prompt: expected 1 to 60 prompts, got 61"),
        (paint, ["--set", "guidence=3"], "did you mean guidance?"),
        (rescore, ["--set", "solver=rk4"], "unknown value of solver rk4"),
        (rescore, ["--set", "guidance"], "expected KEY=VALUE"),
        (rescore, ["--set", "guidence=3"], "did you mean guidance?"),
    ],
)
def test_what_uses_kept_weights_refuses_in_one_line(
    command: ModuleType, given: list[str], says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(place), *given]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_without_kept_weights_nothing_can_be_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "micro" / "clip_flow-s0").mkdir(parents=True)
    (tmp_path / "micro" / "clip_flow-s0" / "config.json").write_text("{}")
    assert rescore.main([str(tmp_path)]) == 2
    assert "no finished run has kept weights" in capsys.readouterr().err
