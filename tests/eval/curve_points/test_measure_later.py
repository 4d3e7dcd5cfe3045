"""Points measured apart, from kept weights, are the points that the run would have measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small import LINEAR

from ablations.posthoc import measure_points
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.eval.curve_points import measure_later
from headtohead.records.kept_weights import kept
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder
from headtohead.training.run import train

APART = configure("clip_mse", overrides={**LINEAR, "evaluation.apart": True})
OWN = configure("clip_mse", overrides=LINEAR)


def go(config: RunConfig, folder: Path, cache: Path) -> Path:
    train(config, folder, cache, device="cpu", say=print)
    return folder


def made(folder: Path) -> tuple[Any, ...]:
    (run,) = runs(folder)
    curve = sorted(({k: v for k, v in line.items() if k != "seconds"} for line in run.curve()), key=json.dumps)
    prompts = sorted(run.lines("prompts.jsonl"), key=lambda line: int(line["step"]))
    return curve, prompts, {path.name: path.read_bytes() for path in (folder / "grids").iterdir()}


def test_points_measured_apart_are_the_runs_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    own, other = go(OWN, tmp_path / "own", cache), go(APART, tmp_path / "apart", cache)
    assert not (other / "curve.jsonl").exists()
    assert Recorder(other).open_points() == [3, 6]
    order = Recorder.open_points
    monkeypatch.setattr(Recorder, "open_points", lambda self: order(self)[::-1])  # others may be at the first ones
    assert measure_later.measure(APART, other, device="cpu", say=print) == 2
    monkeypatch.undo()
    assert [line["step"] for line in runs(other)[0].curve()] == sorted(line["step"] for line in runs(other)[0].curve())
    assert made(other) == made(own)
    assert list(kept(other)) == [6]
    assert measure_points.main([str(other), "--device", "cpu"]) == 0
    assert "no point is open" in capsys.readouterr().err


def test_a_run_that_measures_its_points_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Recorder(tmp_path / "run").begin(OWN.plain())
    assert measure_later.main([str(tmp_path / "run"), "--device", "cpu"]) == 2
    assert "measures its points itself" in capsys.readouterr().err
