"""The benchmark beside the reference implementation, on a small package in the same layout."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from ablations.bench import command as bench
from ablations.bench.peers import checkout, compare, own
from ablations.bench.peers.reference import Reference, optimizing
from ablations.plan.one_design import architectures
from headtohead.config.presets import configure
from tests.support.peer_package import written

TINY = {
    "query.number": own.QUERIES, "train.batch": 4, "head.dim": 32, "head.layers": 1, "head.heads": 2,
    "head.kv_heads": 1, "head.multiple_of": 32, "compute.precision": "float32",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configure(own.DESIGN, overrides=TINY)
    monkeypatch.setattr(own, "config_of", lambda device: config)
    monkeypatch.setattr(compare, "WARM", 1)
    monkeypatch.setattr(compare, "LEAST", 2)
    monkeypatch.setattr(bench, "isolated", lambda work, *args: work(*args))  # where the smaller size is known


def test_steps_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "peer")
    assert bench.main(["--peer", str(folder), "--seconds", "0.01", "--out", str(tmp_path), "--device", "cpu"]) == 0
    kept = json.loads((tmp_path / "peers-cpu.json").read_text())
    assert [row["part"] for row in kept["rows"]] == [
        "clip_flow: training step, cached features", "clip_flow: training step, live encoders",
    ]  # fmt: skip
    for row in kept["rows"]:
        low, high = row["10 % to 90 %"]
        assert 0 < low <= row["times faster"] <= high
        assert row["pairs"] >= 2
        assert row["in CPU time"]["times faster"] > 0
        for side in ("ours", "reference"):
            sizes = row["parameters"][side]
            assert sizes["trained"] == sizes["head"] + sizes["queries"]
            assert sizes["image tower"] > 0
        assert row["parameters"]["ours"]["queries"] == row["parameters"]["reference"]["queries"]
    cached, live = (row["GFLOP a picture"] for row in kept["rows"])
    assert all(live[side] > cached[side] > 0 for side in live)
    assert kept["reference"]["commit"] is None
    assert kept["reference"]["sha256"]
    assert kept["precision"] == "float32"
    assert "a line in every step" not in capsys.readouterr().out


def test_pairs_become_a_ratio_with_its_spread() -> None:
    seconds = [(1.0, 2.0)] * 8 + [(1.0, 4.0), (1.0, 1.0), (2.0, 4.0)]
    found = compare.ratio(seconds, pictures=10)
    assert found["times faster"] == 2
    assert found["10 % to 90 %"] == [2, 2]
    assert found["pairs"] == 11
    assert found["pictures/s"] == 10
    assert found["reference pictures/s"] == 5


def test_it_gets_the_prompts_of_ours(tmp_path: Path) -> None:
    ours = own.made("cpu")
    folder = written(tmp_path / "peer")
    with checkout.opened(folder) as modules:
        reference = Reference(modules, ours, "cpu", live=False)
        batch = next(own.batches(ours, "cpu", live=False))
        inputs = reference.inputs(batch)
        ids, mask = ours.parts.generator.queries.encode(batch.captions)
        for k, (row, there) in enumerate(zip(ids, mask.bool(), strict=True)):
            assert torch.equal(inputs["input_ids"][k, : inputs["i_s_pos"][k] - 1], row[there])
        assert torch.equal(inputs["gen_image"], batch.x_1)
        head = reference.inner.dit.config
        assert (head.dim, head.n_layers, head.n_heads, head.n_kv_heads, head.input_size) == (32, 1, 2, 1, 4)
        assert "blip3o" in sys.modules
    assert "blip3o" not in sys.modules
    assert str(folder.resolve()) not in sys.path


def test_captions_are_new_in_every_step() -> None:
    ours = own.made("cpu")
    made = own.batches(ours, "cpu", live=False)
    seen = [tuple(next(made).captions) for _ in range(2 * own.EPOCH)]
    assert len(set(seen)) == len(seen)


CLIP = {
    "embed_dim": 16, "vision_cfg": {"image_size": 64, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}  # fmt: skip
LANGUAGE = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "tie_word_embeddings": True,
}  # fmt: skip


def test_published_architectures_are_built_with_random_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`single` scale in bf16: a tower of open_clip whose tokens are averaged; of prompts only the lengths count."""
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP, "preprocess_cfg": {}}))
    smaller = {
        **TINY, "foundations.clip": str(tmp_path), "foundations.clip_side": 2, "compute.micro_batch": 0,
        "compute.compile": False,
    }  # fmt: skip
    config = configure(own.DESIGN, "single", overrides=smaller)
    monkeypatch.setitem(architectures.LLAMA, config.foundations.language, LANGUAGE)
    monkeypatch.setattr(own, "config_of", lambda device: config)
    row = compare.measure("live encoders", "cpu", 0.01, written(tmp_path / "peer"))
    tower = own.made("cpu").tower
    assert row["parameters"]["ours"]["image tower"] == own.count(tower)
    assert (tower.image_size, own.made("cpu").vision.head_width) == ((64, 64), 8)
    assert row["times faster"] > 0


def test_bf16_weights_are_trained_in_single_precision() -> None:
    """Steps of 1e-4 are lost on bf16 weights near 1, and add up on the optimizer's."""
    net = torch.nn.Linear(4, 1, bias=False).bfloat16()
    torch.nn.init.ones_(net.weight)
    step = optimizing(list(net.parameters()))
    for _ in range(100):
        net(torch.ones(1, 4, dtype=torch.bfloat16)).sum().backward()
        step()
        assert net.weight.grad is None
    assert net.weight.dtype == torch.bfloat16
    assert torch.allclose(net.weight.float(), torch.full((1, 4), 0.99), atol=0.004)


def test_attention_of_the_tower_is_that_of_xformers() -> None:
    q, k, v = torch.randn(3, 2, 5, 4, 8)
    weights = torch.einsum("bnhd,bmhd->bhnm", q, k).mul(0.3).softmax(-1)
    expected = torch.einsum("bhnm,bmhd->bnhd", weights, v)
    assert torch.allclose(checkout._Xops.memory_efficient_attention(q, k, v, scale=0.3), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("from types", "import no_such_package\nfrom types", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("F.mse_loss(v.float(), x_1.float())", "v.sum() / 0", "does not train: its loss is"),
        ("z_latents=states", "z_latents=states.detach()", "does not train: no gradient reaches model.latent_queries"),
        pytest.param(
            "assert rearrange",
            "assert rearrange('x')",
            "einops.rearrange, which is not installed",
            marks=pytest.mark.skipif(find_spec("einops") is not None, reason="einops is installed"),
        ),
        ("x = inner.words", "x = inner.no_such_layer", "AttributeError: 'Inner' object has no attribute"),
    ],
)
def test_one_that_cannot_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    folder = written(tmp_path / "peer", **{old: new})
    assert bench.main(["peers", "--peer", str(folder), "--out", str(tmp_path), "--device", "cpu"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(tmp_path.glob("*.json"))


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["peers"]) == bench.main(["--peer", str(tmp_path / "none")]) == 2
    assert bench.main(["peers", "--peer", str(tmp_path)]) == 2
    unnamed, absent, empty = capsys.readouterr().err.splitlines()
    assert "needs --peer FOLDER" in unnamed
    assert "no such folder" in absent
    assert "holds no blip3o/model/nextdit_crossattn.py; expected the branch main of https://github.com" in empty


def test_its_commit_is_recorded(tmp_path: Path) -> None:
    folder = written(tmp_path / "peer")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    before = checkout.about(folder)
    assert len(before["commit"]) == 40
    with open(folder / "blip3o" / "__init__.py", "a") as f:
        f.write("# changed\n")
    after = checkout.about(folder)
    assert after["commit"] == f"{before['commit']}-dirty"
    assert after["sha256"] != before["sha256"]
