"""make plan: a table to read, the same for programs, without the hub, and one line where something is wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import checkpoints
import pytest
from endings import ended

from ablations.plan import as_text, totals, units
from ablations.plan import command as plan

CHEAP = ["foundations.clip=ViT-B-32:openai", "foundations.clip_side=7", "head.layers=3"]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("a plan reaches for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)


def test_a_plan_says_the_sum_first_and_every_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.json"
    given = ["--design", "clip_flow", "vae_flow", "--gpus", "32", "--seeds", "0,1", "--set", *CHEAP]
    assert plan.main([*given, "--json", str(path)]) == 0
    out, own = capsys.readouterr().out, json.loads(path.read_text())
    lines = out.splitlines()
    assert lines[0].startswith("2 designs, 2 seeds each, at scale paper on 32 x h100")
    assert lines[2].startswith(units.hours(own["gpu_hours"]))
    assert "every design makes 512 x 512" in out
    assert "all prompts at every point would take" in out
    assert set(own["runs"]) == {"clip_flow", "vae_flow"}
    run = own["runs"]["clip_flow"]
    assert run["points"]["the_last"] == 36_472
    assert own["gpu_hours"] == pytest.approx(
        2 * sum(r["gpu_hours"]["in all"] for r in own["runs"].values()) + sum(made["hours"] for made in own["once"])
    )
    spent = {part: 2 * sum(r["gpu_hours"][part] for r in own["runs"].values()) for part in run["gpu_hours"]}
    once = {made["what"]: made["hours"] for made in own["once"]}
    train, measure = spent[totals.HEAD] + spent[totals.LANGUAGE], spent[totals.WAY] + spent[totals.LAST]
    parts = {as_text.TRAINING: train, as_text.MEASURING: measure, totals.ENCODING: spent[totals.ENCODING], **once}
    largest = max(parts, key=parts.__getitem__)
    flat = " ".join(out.split())
    assert f"Largest part: {largest}: {units.hours(parts[largest])} of {units.gpu_hours(own['gpu_hours'])}" in flat
    assert f"training the designs {units.hours(train)} ({train / own['gpu_hours']:.0%}) and measuring" in flat
    assert f"Made once: {units.gpu_hours(sum(once.values()))} (" in flat
    table = [line for line in lines if line.startswith("  ") and len(line.split("  ")) > 3]
    assert len({len(line) for line in table if line[40:].strip()}) < 6  # columns end where they should
    assert max(map(len, lines)) <= 120


def test_a_local_folder_is_planned_for_by_its_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints.unet(tmp_path / "sdxl")
    own = {
        "foundations.language": checkpoints.llama(tmp_path / "llama"),
        "foundations.vae": checkpoints.vae(tmp_path / "vae"),
        "foundations.clip": checkpoints.clip(tmp_path / "clip"), "foundations.clip_picture": 0,
        "foundations.clip_side": 2, "foundations.picture": 32, "head.layers": 2,
    }  # fmt: skip
    assert plan.main(["--design", "vae_flow", "--set", *(f"{k}={v}" for k, v in own.items())]) == 0
    assert "every design makes 32 x 32" in capsys.readouterr().out


def test_the_embedded_world_is_planned_for_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main(["--scale", "micro", "--gpus", "1", "--gpu", "l4"]) == 0
    out = capsys.readouterr().out
    assert "decoder of clip" not in out.split("Sizes")[0]  # it ships
    assert "features of clip, 20,480 pictures" in out
    assert "DOES NOT FIT" not in out


def test_a_sweep_file_is_planned_for_before_its_shards_are_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    assert plan.main(["paper", "--nodes", "4", "--set", *CHEAP]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("3 designs, at scale paper on 32 x h100")
    assert "features of 25,000,000" in said.out
    assert "no shards (*.tar) there; planning for 25,000,000 samples (data.pictures)" in said.err


def test_a_sweep_files_variants_are_planned_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweeps").mkdir()
    rows = "designs: [vae_mse]\nseeds: [3, 4]\nscale: micro\nvariants: {vae_mse: [{train.batch: 32}]}\n"
    (tmp_path / "sweeps" / "own.yaml").write_text(rows)
    monkeypatch.chdir(tmp_path)
    assert plan.main(["own", "--gpus", "1", "--json", "own.json"]) == 0
    assert capsys.readouterr().out.startswith("2 designs, 2 seeds each, at scale micro on 1 x h100")
    assert list(json.loads((tmp_path / "own.json").read_text())["runs"]) == ["vae_mse", "vae_mse+train.batch=32"]
    assert ended(lambda: plan.main(["owm"])) == 2
    assert "sweeps/owm.yaml: no such sweep; there are: own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["--gpu", "h1000"], "unknown gpu h1000; did you mean h100?"),
        (["--design", "clip_flw"], "did you mean clip_flow?"),
        (["--design", "clip_flow", "clip_flow"], "stands twice"),
        (["--gpus", "7"], "train.batch=512: cannot be shared evenly by 7 devices"),
        (["--utilisation", "40"], "expected a share above 0 and up to 1, got '40'"),
        (["--set", "foundations.picture=500", "--design", "vae_flow"], "must be a multiple of 16, the VAE's 8"),
        (["--set", "foundations.clip=ViT-Z:openai"], "open_clip knows no model ViT-Z"),
        (["--set", "foundations.vae=some/vae"], "foundations.vae some/vae: its architecture is not known"),
        (["--set", "data.mix=nowhere.yaml"], "data.mix: nowhere.yaml: No such file"),
        (["--set", "exam.dpg=nowhere.csv", "--design", "vae_mse"], "exam.dpg: nowhere.csv: No such file"),
        (
            ["--scale", "micro", "--design", "clip_flow", "vae_flow", "--set", "foundations.picture=128"],
            "pictures of one size, not 128 of vae_flow, 64 of clip_flow",
        ),
        (["--scale", "micro", "--design", "vae_mse", "--json", "/nowhere/p.json"], "--json: /nowhere/p.json: No such"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(given: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(lambda: plan.main(given)) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert what in said.err
