"""Runs: every design trains, measures and records; a seed is a result; a run that was cut goes on as if it had not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from safetensors.torch import load_file
from small import LINEAR, SMALL, small

from headtohead.config.design import DESIGNS
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.data.synthetic_batches import STREAM
from headtohead.eval.curve_points import held_out_loss, synthetic
from headtohead.models.build import assemble
from headtohead.records.kept_weights import kept
from headtohead.records.layout import CURVE
from headtohead.records.read import runs
from headtohead.training import resume, run
from headtohead.training.callbacks import progress
from headtohead.training.lightning_module import DesignModule
from headtohead.training.run import train


def go(config: RunConfig, folder: Path, cache: Path) -> dict[str, Any]:
    train(config, folder, cache, device="cpu", say=lambda line: None)
    return result(folder)


def result(folder: Path) -> dict[str, Any]:
    (run,) = runs(folder)
    (path,) = kept(folder).values()
    return {"run": run, "curve": run.curve(), "weights": load_file(path)}


def numbers(result: dict[str, Any]) -> list[tuple[int, str, float]]:
    return [(line["step"], line["metric"], line["value"]) for line in result["curve"]]


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_trains_samples_and_records(design: str, tmp_path: Path, cache: Path) -> None:
    made = go(configure(design, overrides=small(design)), tmp_path / "run", cache)
    assert made["run"].state["state"] == "finished"
    assert {line["step"] for line in made["curve"]} == {3, 6}
    metrics = {line["metric"] for line in made["curve"]}
    assert {"geneval/overall", "geneval/colors", "dpg/overall", "fid"} <= metrics
    assert any(m.startswith("loss/") for m in metrics)
    assert all(line["flops_total"] > line["flops"] > 0 and line["n"] for line in made["curve"])
    assert made["run"].state["flops_total"] == made["curve"][-1]["flops_total"]
    n = {line["metric"]: line["n"] for line in made["curve"]}
    assert (n["geneval/overall"], n["geneval/colors"], n["dpg/overall"], n["fid"]) == (12, 2, 3, 15)
    assert n["geneval/seen"] + n["geneval/unseen"] == 12
    apart = {line["value"] for line in made["curve"] if line["metric"] == "diversity/fixed_all"}
    assert apart
    assert (apart == {0.0}) == (DESIGNS[design].objective == "mse")  # one picture a prompt
    assert (tmp_path / "run" / "grids" / "0000006-often.webp").stat().st_size > 1000
    backbone = any(".model." in name for name in made["weights"])
    assert backbone == (DESIGNS[design].backbone == "trained")


@pytest.mark.parametrize("design", DESIGNS)
def test_the_loss_falls(design: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the pictures it learns from: a regression of latents moves little on others within so few steps."""
    monkeypatch.setattr(held_out_loss, "HELD_OUT", STREAM)
    steps = 60 if design == "vae_mse_dit" else 30  # the slowest to learn
    config = configure(design, overrides={
        **small(design), "train.steps": steps, "train.lr": 1e-2, "train.ema": 0.98, "data.pictures": 16,
        "evaluation.every": steps, "evaluation.held_out": 16, "evaluation.final_geneval": 6, "evaluation.final_dpg": 1,
    })  # fmt: skip
    parts = assemble(config, "cpu")
    before = synthetic.SyntheticEvaluator(config, parts, "cpu").losses(parts.generator)
    after = {c["metric"]: c["value"] for c in go(config, tmp_path / "run", cache)["curve"] if c["metric"] in before}
    assert len(after) == len(before) > 0
    fell = [name for name in before if name.startswith("loss/")]
    assert sum(after[name] for name in fell) < 0.85 * sum(before[name] for name in fell)
    assert {"gain/shuffled", "gain/none", "gain/share"} < set(after)


def test_a_log_file_gets_lines_and_a_terminal_a_bar(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resume, "bar", lambda: progress.Lines(every=0))
    go(configure("clip_mse", overrides=LINEAR), tmp_path / "run", cache)
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said if line.startswith("  step")] == [
        f"  step {k} of 6" for k in range(1, 7)
    ]
    assert all("loss " in line and "samples/s " in line for line in said if line.startswith("  step"))
    assert isinstance(progress.bar(), progress.Lines)  # what tests write to is no terminal
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert isinstance(progress.bar(), TQDMProgressBar)


def test_the_same_seed_gives_the_same_run_and_another_does_not(finished: Path, tmp_path: Path, cache: Path) -> None:
    config = configure("vae_flow", overrides=SMALL)
    first, again = result(finished), go(config, tmp_path / "b", cache)
    other = go(dataclasses.replace(config, seed=1), tmp_path / "c", cache)
    assert numbers(first) == numbers(again)
    assert numbers(first) != numbers(other)
    assert all(torch.equal(first["weights"][k], again["weights"][k]) for k in first["weights"])


def cut_at_step_5(config: RunConfig, folder: Path, cache: Path) -> None:
    own = DesignModule.training_step

    def cut(self: DesignModule, batch: Any, index: int) -> torch.Tensor:
        if self.global_step == 5:
            raise RuntimeError("cut")
        return own(self, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DesignModule, "training_step", cut)
        with pytest.raises(RuntimeError, match="cut"):
            go(config, folder, cache)
    torch.rand(5)


def test_a_run_that_was_cut_goes_on_as_if_it_had_not(finished: Path, tmp_path: Path, cache: Path) -> None:
    config, whole = configure("vae_flow", overrides=SMALL), result(finished)
    cut_at_step_5(config, tmp_path / "cut", cache)
    resumed = go(config, tmp_path / "cut", cache)
    assert numbers(resumed) == numbers(whole)
    assert len((tmp_path / "cut" / CURVE).read_text().splitlines()) == len(whole["curve"])
    assert all(torch.equal(resumed["weights"][k], whole["weights"][k]) for k in whole["weights"])


def test_captions_that_are_read_again_and_again_are_kept_and_a_run_that_was_cut_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = configure("vae_flow", overrides={**SMALL, "data.pictures": 8})  # 16 captions, of which 48 are read
    said, cache = list[str](), tmp_path / "cache"
    train(few, tmp_path / "whole", cache, device="cpu", say=said.append)
    assert sum("reading 16 captions once" in line for line in said) == 1
    whole, files = result(tmp_path / "whole"), {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert any(path.suffix == ".bin" for path in files)
    cut_at_step_5(few, tmp_path / "cut", cache)
    assert numbers(go(few, tmp_path / "cut", cache)) == numbers(whole)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == files
    monkeypatch.setattr(run, "READ", 4)
    computed = go(few, tmp_path / "computed", tmp_path / "other")
    assert not list((tmp_path / "other").glob("*.bin"))
    for (step, name, value), (*same, other) in zip(numbers(whole), numbers(computed), strict=True):
        assert same == [step, name]
        if name.startswith("loss/"):
            assert value == pytest.approx(other, rel=0.01)
