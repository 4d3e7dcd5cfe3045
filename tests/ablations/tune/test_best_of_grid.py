"""What is chosen and traded: grids on dev prompts, guidance fronts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablations.posthoc import guidance
from ablations.tune import best_of_grid
from headtohead.config.presets import CHOSEN, configure
from headtohead.records.json_files import read_json
from headtohead.records.recorder import Recorder, Spent

GRID = {"clip_flow+train.lr=0.004-s0": 0.2, "clip_flow+train.lr=0.008-s0": 0.3, "vae_flow+train.lr=0.004-s0": 0.1}


def grid(folder: Path, split: str, values: dict[str, float] = GRID) -> Path:
    for name, value in values.items():
        r = Recorder(folder / name)
        r.begin({"seed": 0, "evaluation": {"split": split}, "name": name})
        scores = {"geneval/overall": value - 0.1, "dpg/overall": value + 0.1}
        r.append(Spent(4, 4, 1.0, 1.0), scores, {"geneval": 9, "dpg": 9}, representation="clip", judge="judge")
    return folder


def test_the_best_of_a_grid_is_chosen_for_each_design(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = best_of_grid.choices(grid(tmp_path / "rates", "dev"))
    assert {c.design: c.best for c in found} == {"clip_flow": "train.lr=0.008", "vae_flow": "train.lr=0.004"}
    assert best_of_grid.main([str(tmp_path / "rates")]) == 0
    out = capsys.readouterr().out
    assert "train.lr=0.008 *0.300" in out
    assert "at the edge of the grid: train.lr" in out


def test_held_out_loss_and_score_choose_together_and_an_edge_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # On the floor scores are noise: the middle value is second by score and first by loss.
    rows = {0.001: (0.05, 0.9), 0.002: (0.04, 0.6), 0.004: (0.03, 0.7), 0.008: (0.02, 0.95)}
    for rate, (score, loss) in rows.items():
        for seed in (0, 1):
            r = Recorder(tmp_path / "rates" / f"vae_flow+train.lr={rate}-s{seed}")
            r.begin({"seed": seed, "evaluation": {"split": "dev"}, "name": "x"})
            values = {"geneval/overall": score, "dpg/overall": score, "loss/t=0.1": loss, "loss/t=0.9": loss}
            n = {"geneval": 9, "dpg": 9, "loss/t=0.1": 9, "loss/t=0.9": 9}
            r.append(Spent(4, 4, 1.0, 1.0), values, n, representation="vae", judge="judge")
    (found,) = best_of_grid.choices(tmp_path / "rates")
    assert found.best == "train.lr=0.002"
    assert found.edges == []
    assert best_of_grid.Choice("d", found.scores, {}).best == "train.lr=0.001"
    assert best_of_grid.Choice("d", found.scores, {}).edges == ["train.lr"]
    assert best_of_grid.main([str(tmp_path / "rates")]) == 0
    assert "train.lr=0.002 *0.040/0.600" in capsys.readouterr().out


def test_default_learning_rates_are_those_that_the_grid_chose() -> None:
    chosen = read_json(Path(__file__).parents[3] / "results" / "rates" / best_of_grid.CHOSEN)
    assert {design: f"train.lr={own['train.lr']}" for design, own in CHOSEN["micro"].items()} == {
        design: row["best"] for design, row in chosen.items()
    }


def test_other_axes_bring_their_own_choice_and_other_settings_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = {"design.backbone": "trained"}
    rates = {"clip_flow": {"train.lr": 0.5}, "clip_flow+design.backbone=trained": {"train.lr": 0.25}}
    monkeypatch.setitem(CHOSEN, "micro", rates)
    assert configure("clip_flow").train.lr == 0.5
    assert configure("clip_flow", overrides={"head.dim": 128}).train.lr == 0.5
    assert configure("clip_flow", overrides={"head.dim": 128, **trained}).train.lr == 0.25
    assert configure("clip_flow", overrides={"train.lr": 0.125, **trained}).train.lr == 0.125


def test_a_grid_chooses_for_each_cell_of_its_own(tmp_path: Path) -> None:
    values = {f"clip_flow+train.lr={rate}+design.backbone=trained-s0": 1 - rate for rate in (0.25, 0.5)}
    found = best_of_grid.choices(grid(tmp_path / "rates", "dev", {**GRID, **values}))
    assert {c.design: c.best for c in found} == {
        "clip_flow": "train.lr=0.008", "clip_flow+design.backbone=trained": "train.lr=0.25",
        "vae_flow": "train.lr=0.004",
    }  # fmt: skip


def test_another_size_of_a_head_has_a_grid_of_its_own(tmp_path: Path) -> None:
    values = {f"clip_flow+head.dim=128+train.lr={rate}-s0": 1 - rate for rate in (0.25, 0.5)}
    found = best_of_grid.choices(grid(tmp_path / "rates", "dev", {**GRID, **values}))
    assert {c.design: c.best for c in found} == {
        "clip_flow": "train.lr=0.008", "clip_flow+head.dim=128": "train.lr=0.25", "vae_flow": "train.lr=0.004",
    }  # fmt: skip
    sizes = {f"clip_flow+head.dim={dim}-s0": dim / 1000 for dim in (128, 256)}
    (found,) = best_of_grid.choices(grid(tmp_path / "sizes", "dev", sizes))
    assert (found.design, found.best) == ("clip_flow", "head.dim=256")


def test_nothing_is_chosen_on_test_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert best_of_grid.main([str(grid(tmp_path / "rates", "test"))]) == 2
    assert "settings are chosen on dev prompts" in capsys.readouterr().err


def lines(scale: float | None, geneval: float, fid: float) -> list[dict[str, Any]]:
    how = {"judge": "judge", "split": "test"} | ({} if scale is None else {"guidance": scale})
    return [{"metric": "geneval/overall", "value": geneval, "how": how}, {"metric": "fid", "value": fid, "how": how}]


def test_a_front_holds_the_scales_that_every_seed_was_scored_with() -> None:
    flow = [*lines(1.0, 0.2, 30), *lines(3.0, 0.4, 40), *lines(5.0, 0.5, 60)]
    rows = [
        ("micro", "clip_flow", 0, flow),
        ("micro", "clip_flow", 1, [*lines(3.0, 0.6, 44), *lines(1.0, 0.4, 34)]),
        ("micro", "clip_mse", 0, lines(None, 0.1, 90)),
    ]
    regression, front = guidance.fronts(rows)
    assert (front.design, front.guidance, regression.guidance) == ("clip_flow", (1.0, 3.0), (None,))
    assert np.allclose(front.geneval, [[0.2, 0.4], [0.4, 0.6]])
    assert np.allclose(front.fid.mean(0), [32, 42])
    assert front.best == 3.0
    assert guidance.figure([regression, front]).axes[0].get_xlabel().startswith("FID")


@pytest.mark.parametrize("text", ["", "a", "1,1", "-1", "nan"])
def test_scales_that_mean_nothing_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        guidance.main(["results", f"--scales={text}"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
