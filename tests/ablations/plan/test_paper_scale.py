"""SCALE=paper from the first command to the last on small random checkpoints: only paths and sizes are changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import user_files
from safetensors.torch import load_file

from ablations.plan import totals
from ablations.plan.one_design.accelerators import KINDS
from ablations.prepare import cache_features as cache_command
from ablations.prepare import clip_decoder as decoder_command
from ablations.sweep import command as sweep_command
from headtohead.config.presets import applicable, configure, decoder
from headtohead.records.kept_weights import kept
from headtohead.records.read import runs
from headtohead.training.run import train
from headtohead.training.stages.clip_decoder import train as train_decoder

pytestmark = [
    pytest.mark.usefixtures("few_pixels"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SIZES = {
    "query.number": 4, "head.dim": 32, "head.layers": 2, "head.heads": 2, "head.kv_heads": 2, "head.multiple_of": 32,
    "train.steps": 4, "train.batch": 8, "train.warmup": 2, "evaluation.every": 2, "evaluation.geneval": 2,
    "evaluation.dpg": 1, "evaluation.fid": 4, "evaluation.held_out": 4, "sampling.steps": 2, "data.workers": 0,
    "compute.compile": False, "compute.micro_batch": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Models, corpora, benchmarks, and a decoder that was trained on them."""
    root = tmp_path_factory.mktemp("paper")
    own = user_files.models(root / "models")
    mix = str(user_files.corpora(root / "corpora"))
    stage = {
        **own, "unet": f"{root}/models/sdxl:unet", "data.mix": mix, "data.workers": 0, "train.steps": 4,
        "train.batch": 8, "train.warmup": 1, "every": 2, "steps": 2, "measured": 32,
    }  # fmt: skip
    folder = root / "decoder"
    config = decoder("paper", stage)
    decoder_command.prepare(folder, config)
    train_decoder(config, folder, device="cpu", say=lambda line: None)
    told = {**user_files.benchmarks(root / "bench"), "data.mix": mix, "foundations.decoder": str(folder)}
    return {"root": root, "settings": {**SIZES, **own, **told}, "decoder": folder}


def test_the_decoders_folder_says_what_it_stands_on(place: dict[str, Any]) -> None:
    folder = place["decoder"]
    card = json.loads((folder / "decoder.json").read_text())
    assert set(card["stands_on"]) == {"clip", "vae"}
    assert card["data"]["corpora"].keys() == {"large", "small"}
    assert (folder / "reconstructions.png").stat().st_size > 500
    statistics = load_file(folder / "standard.safetensors")
    assert statistics["std"].shape == (16,)
    assert not list((folder / "checkpoints").iterdir())


@pytest.mark.parametrize("design", ["clip_flow", "vae_flow", "clip_mse", "vae_mse_dit"])
def test_a_design_trains_and_is_examined(design: str, place: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "run"
    overrides = applicable(design, (design, "clip_flow"), place["settings"])
    run_config = configure(design, "paper", overrides=overrides)
    train(run_config, folder, tmp_path / "c", device="cpu", say=print)
    (run,) = runs(folder)
    machine = totals.Machine(KINDS["h100"], 1, 0.4)
    own = totals.plan({design: run_config}, None, run.state["data"]["samples"], machine, 1).runs[0]
    assert own.cost.trained == run.state["trainable"]
    assert 4 * 8 * (own.everything - own.cost.train) == pytest.approx(run.state["flops_total"] - run.state["flops"])
    assert (own.points.a_point, own.points.the_last) == (2 * 2 + 4 + 4, 4 * 2 + 3 * 4 + 8)
    assert (run.state["state"], run.state["data"]["shown"]) == ("finished", 4 * 8)
    assert {line["step"] for line in run.curve()} == {2, 4}
    assert {"geneval/overall", "dpg/overall", "fid"} <= {line["metric"] for line in run.curve()}
    assert {line["n"] for line in run.curve() if line["metric"].startswith("loss/")} == {4}
    assert (folder / "standard.safetensors").exists() == design.startswith("clip")
    assert all(torch.isfinite(w).all() for w in load_file(kept(folder)[4]).values())


def test_features_kept_as_shards_train_the_same_run(place: dict[str, Any], tmp_path: Path) -> None:
    """Up to what bf16 leaves of a feature."""
    words = [f"{key}={value}" for key, value in place["settings"].items() if key.startswith(("foundations", "data"))]
    command = ["--design", "clip_flow", "--set", *words, "--folder", str(tmp_path / "features"), "--device", "cpu"]
    assert cache_command.main(command) == 0
    live = configure("clip_flow", "paper", overrides=place["settings"])
    kept_ = configure(
        "clip_flow", "paper", overrides={**place["settings"], "data.features": str(tmp_path / "features")}
    )
    weights = []
    for name, config in (("live", live), ("kept", kept_)):
        train(config, tmp_path / name, tmp_path / "c", device="cpu", say=print)
        weights.append(load_file(kept(tmp_path / name)[4]))
    for name, w in weights[0].items():
        assert torch.allclose(w, weights[1][name], atol=2e-3), name


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"foundations.picture": 64}, "gives pictures of 32, not foundations.picture=64"),
        ({"foundations.decoder": "nowhere"}, "foundations.decoder nowhere: no decoder.json there"),
        ({"foundations.language": "some/llama"}, "download https://huggingface.co/some/llama"),
        ({"data.mix": "nowhere.yaml"}, "data.mix: nowhere.yaml: No such file"),
        ({"compute.micro_batch": 3}, "compute.micro_batch=3: does not divide the 8 pictures"),
    ],
)
def test_what_is_missing_is_one_line(
    place: dict[str, Any], change: dict[str, Any], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"{key}={value}" for key, value in {**place["settings"], **change}.items()]
    code = sweep_command.main(
        ["--design", "clip_flow", "--scale", "paper", "--set", *words, "--results", str(tmp_path / "results"),
         "--cache", str(tmp_path / "c"), "--device", "cpu", "--no-estimate"]
    )  # fmt: skip
    said = capsys.readouterr().err
    assert code == 2
    assert what in said
    assert "Traceback" not in said
