"""Runs whose image tokens are standardised by position: statistics are measured once, recorded, and used ever after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small import SMALL

from headtohead.config.parsing import ConfigError
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.data import build as training_data
from headtohead.data.synthetic_batches import Source, encoded
from headtohead.eval.rescore import rescore
from headtohead.models.build import assemble
from headtohead.records.layout import STANDARD
from headtohead.records.read import Run, runs
from headtohead.training.lightning_module import DesignModule
from headtohead.training.run import train

SET = {
    **SMALL, "codec.standardise": "position", "objective.times": "logit_normal", "objective.shift": 2.0,
    "objective.predict": "x", "data.pictures": 64, "train.batch": 16,
}  # fmt: skip


def go(config: RunConfig, folder: Path, cache: Path) -> Run:
    train(config, folder, cache, device="cpu", say=lambda line: None)
    (run,) = runs(folder)
    return run


def points(lines: list[dict[str, Any]]) -> dict[str, float]:
    return {line["metric"]: line["value"] for line in lines if line["step"] == 6 and line["mode"] == "world"}


def test_a_run_standardises_as_it_began_when_it_goes_on_and_when_it_is_scored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, cache = configure("vae_flow", overrides=SET), tmp_path / "cache"
    whole = go(config, tmp_path / "whole", cache)
    own = load_file(whole.folder / STANDARD)
    parts = assemble(config, "cpu", whole.folder)
    tokens = encoded(Source(parts.codec.key, 64), parts.codec.encode, cache, "cpu", print).float()
    assert torch.allclose(own["tokens.mean"], tokens.mean(0), atol=1e-5)
    assert torch.allclose(own["tokens.std"], tokens.std(0, correction=0).clamp(min=0.01), atol=1e-4)
    assert parts.generator.standard is not None
    assert torch.equal(parts.generator.standard.mean, own["tokens.mean"])

    again = points(rescore(whole, config, [config.sampling], device="cpu", say=lambda line: None))
    at_the_end = points(whole.curve())
    assert again
    assert {metric: at_the_end[metric] for metric in again} == again

    step = DesignModule.training_step

    def cut(self: DesignModule, batch: Any, index: int) -> torch.Tensor:
        if self.global_step == 5:
            raise RuntimeError("cut")
        return step(self, batch, index)

    def measured_again(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(DesignModule, "training_step", cut)
    with pytest.raises(RuntimeError, match="cut"):
        go(config, tmp_path / "cut", cache)
    monkeypatch.setattr(DesignModule, "training_step", step)
    monkeypatch.setattr(training_data, "first", measured_again)
    resumed = go(config, tmp_path / "cut", cache)
    assert [(p["step"], p["metric"], p["value"]) for p in resumed.curve()] == [
        (p["step"], p["metric"], p["value"]) for p in whole.curve()
    ]
    (whole.folder / STANDARD).unlink()
    with pytest.raises(ConfigError, match=rf"{STANDARD}: holds no mean and deviation"):
        assemble(config, "cpu", whole.folder)


def test_statistics_do_not_depend_on_the_seed_and_join_the_towers_own(tmp_path: Path) -> None:
    quick = {**SET, "train.steps": 1, "evaluation.final_geneval": 6, "evaluation.final_dpg": 1}
    files = []
    for seed in (0, 1):
        run = go(configure("clip_flow", seed=seed, overrides=quick), tmp_path / f"{seed}", tmp_path / "cache")
        files.append(load_file(run.folder / STANDARD))
    assert set(files[0]) == {"mean", "std", "tokens.mean", "tokens.std"}
    assert files[0]["tokens.mean"].shape == (16, 192)
    assert all(torch.equal(files[0][key], files[1][key]) for key in files[0])
