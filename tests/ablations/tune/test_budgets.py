"""What searches were allowed: by design, never lost, and said where it was not the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made import record
from searches import fit, go, unreal

from ablations.report import build
from ablations.sweep import command as sweep
from ablations.sweep import sweep_file
from headtohead.config.run_config import RunConfig
from headtohead.records import sweep_folder
from headtohead.records.sweep_folder import Tuned
from headtohead.utils import plugins


def search(trials: int, steps: int) -> Tuned:
    return Tuned(study="s", storage="sqlite:///x", trials=trials, steps=steps, objective="o", space={"train.lr": "a"})


@pytest.fixture
def unequal(tmp_path: Path) -> Path:
    """Two designs that came into one folder after searches of their own."""
    folder = tmp_path / "both"
    for design, own in (("clip_flow", search(200, 400)), ("vae_flow", search(2, 50))):
        record(folder / design, 0.5)
        sweep_folder.remember(folder, f"make sweep {design}", {}, {design: own})
    return folder


@pytest.mark.usefixtures("undrawn")
def test_each_design_keeps_its_own_budget_and_a_report_says_that_they_differ(unequal: Path) -> None:
    assert {d: (t.trials, t.steps) for d, t in sweep_folder.tuned(unequal).items()} == {
        "clip_flow": (200, 400),
        "vae_flow": (2, 50),
    }
    assert build.main([str(unequal)]) == 0
    page = (unequal / "report.html").read_text()
    assert "The settings of clip_flow are the best of 200 trials of 400 steps" in page
    assert "The settings of vae_flow are the best of 2 trials of 50 steps" in page
    assert "The searches were not equal" in page


def test_files_of_before_said_once_what_holds_for_all(unequal: Path) -> None:
    one = {"study": "s", "storage": "x", "trials": 20, "steps": 400, "objective": "o", "space": {"train.lr": "a"}}
    given = {"designs": ["clip_flow", "vae_flow"], "chosen": {d: {"train.lr": 0.1} for d in ("clip_flow", "vae_flow")}}
    asked = sweep_file.parse("t", {**given, "tuned": one}, "t.yaml")
    assert {d: t.trials for d, t in asked.tuned.items()} == {"clip_flow": 20, "vae_flow": 20}
    runs = {"clip_flow-s0": 400, "vae_flow+train.lr=1-s0": 400}
    (unequal / "sweep.json").write_text(json.dumps({"commands": ["make sweep"], "runs": runs, "tuned": one}))
    sweep_folder.remember(unequal, "make sweep", {}, {"vae_flow": search(2, 50)})
    assert {d: t.trials for d, t in sweep_folder.tuned(unequal).items()} == {"clip_flow": 20, "vae_flow": 2}


@pytest.mark.parametrize(("text", "says"), [('{"tuned": {"study": 3}}', "tuned.study: expected text"), ("{", "")])
def test_damaged_notes_of_a_sweep_are_one_line(
    text: str, says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "results" / "micro").mkdir(parents=True)
    (place / "results" / "micro" / "sweep.json").write_text(text)
    assert sweep.main(["--design", "vae_mse"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sweep: results/micro/sweep.json: {says}")


def test_a_second_search_of_a_study_keeps_what_the_first_chose(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sometimes(config: RunConfig, folder: Path, *rest: Any) -> None:
        if folder.name == "clip_mse+trial=001-s0":
            raise ArithmeticError("the loss is nan")
        fit(config, folder, *rest)

    unreal(monkeypatch, sometimes)
    assert go(many=3) == 0
    file = place / "sweeps" / "tuned-tiny.yaml"
    first = sweep_file.read(file)
    assert "not equal" not in capsys.readouterr().err
    assert go(many=2, designs=("vae_flow",)) == 0
    both = sweep_file.read(file)
    assert both.designs == ("clip_mse", "vae_flow")
    assert both.chosen["clip_mse"] == first.chosen["clip_mse"]
    assert {d: (t.trials, t.finished) for d, t in both.tuned.items()} == {"clip_mse": (3, 2), "vae_flow": (2, 2)}
    assert "clip_mse: the best of 3 trials of 6 steps" in file.read_text()
    assert "(2 finished)" in file.read_text()
    assert "its designs' searches were not equal" in capsys.readouterr().err


def test_what_was_chosen_is_trained_on_seeds_that_the_search_did_not_see(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreal(monkeypatch)
    assert go(many=1) == 0
    assert sweep_file.read(place / "sweeps" / "tuned-tiny.yaml").seeds == (1, 2, 3)
    tiny = place / "sweeps" / "search" / "tiny.yaml"
    tiny.write_text(f"seed: 2\n{tiny.read_text()}")
    assert go("--study", "other", many=1) == 0
    assert sweep_file.read(place / "sweeps" / "tuned-other.yaml").seeds == (0, 1, 3)


def test_what_other_designs_have_of_another_search_is_not_mixed_in(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    assert go(many=1) == 0
    before = (place / "sweeps" / "tuned-tiny.yaml").read_bytes()
    assert go("--set", "sampling.steps=3", many=1, designs=("vae_flow",)) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "tuned-tiny.yaml: has clip_mse of another search (set.sampling.steps: 2 there, 3 here); --write" in told
    assert (place / "sweeps" / "tuned-tiny.yaml").read_bytes() == before


def test_the_command_that_trains_with_the_chosen_settings_names_the_plugin(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    monkeypatch.setattr(plugins, "_paths", {"my_heads.py": place / "my_heads.py"})
    assert go(many=1) == 0
    assert "`make sweep NAME=tuned-tiny PLUGIN=my_heads.py` trains with them" in capsys.readouterr().err
