"""One global batch on any number of processes: the same samples, the same noise, the same curve."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import SMALL

from headtohead.config.parsing import ConfigError
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.data.order import Portion
from headtohead.models.objectives.noise import Rows, StepDraws
from headtohead.records.kept_weights import kept
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder

NEAR = 5e-3  # of the weights: sums in another order, through AdamW's division by small numbers


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def start(config: RunConfig, folder: Path, cache: Path, processes: int = 1) -> subprocess.Popen[str]:
    Recorder(folder).begin({**config.plain(), "hash": config.hash})
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "headtohead.training.run", str(folder)]
    return subprocess.Popen(
        [*command, "--cache", str(cache), "--device", "cpu"], text=True, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said[-2000:]
    return said


def values(folder: Path) -> dict[tuple[int, str], float]:
    (run,) = runs(folder)
    assert run.state["state"] == "finished"
    return {(line["step"], line["metric"]): line["value"] for line in run.curve()}


def same(a: Path, b: Path) -> None:
    one, other = values(a), values(b)
    assert one.keys() == other.keys()
    losses = [key for key in one if key[1].startswith("loss/")]
    assert losses
    assert [one[k] for k in losses] == pytest.approx([other[k] for k in losses], rel=1e-4)
    for step, path in kept(a).items():
        mine, theirs = load_file(path), load_file(kept(b)[step])
        apart = sum((mine[name] - theirs[name]).square().sum() for name in mine)
        whole = sum(mine[name].square().sum() for name in mine)
        assert float(apart / whole) ** 0.5 < NEAR


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    finish(start(configure("clip_flow", overrides=SMALL), folder, cache))
    return folder


@pytest.mark.parametrize(
    "more", [{}, {"compute.micro_batch": 4}, {"compute.strategy": "fsdp"}], ids=["ddp", "parts", "fsdp"]
)
def test_two_processes_give_the_curve_of_one(more: dict[str, object], tmp_path: Path, alone: Path, cache: Path) -> None:
    config = configure("clip_flow", overrides={**SMALL, **more})
    finish(start(config, tmp_path / "run", cache, processes=2))
    same(alone, tmp_path / "run")


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_stopped_on_two_processes_goes_on_with_one(strategy: str, tmp_path: Path, cache: Path) -> None:
    config = configure(
        "clip_flow", overrides={**SMALL, "train.steps": 60, "evaluation.every": 30, "compute.strategy": strategy}
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    finish(start(config, whole, cache))
    process = start(config, cut, cache, processes=2)
    point = cut / "curve.jsonl"
    while process.poll() is None and not point.exists():
        time.sleep(0.2)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert runs(cut)[0].state["state"] in ("stopped", "running")  # torchrun kills what takes longer than 30 s
    assert "going on at step" in finish(start(config, cut, cache))
    same(whole, cut)


def test_portions_cover_the_batch_once() -> None:
    for world, micro in ((1, 0), (2, 0), (4, 2), (3, 1)):
        parts = [Portion.of(24, micro, rank, world) for rank in range(world)]
        rows = [k for p in parts for first in p.starts for k in range(first, first + p.at_once)]
        assert rows == list(range(24))


@pytest.mark.parametrize(
    ("batch", "micro", "world", "what"), [(10, 0, 4, "train.batch=10"), (12, 4, 2, "compute.micro_batch=4")]
)
def test_what_cannot_be_shared_is_said(batch: int, micro: int, world: int, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        Portion.of(batch, micro, 0, world)


def test_a_rows_noise_does_not_depend_on_who_draws_it() -> None:
    whole = StepDraws(5, Rows(0, 12, 12), "cpu")
    t, noise = whole.uniform(), whole.normal(3, 2)
    assert (t.shape, noise.shape) == ((12,), (12, 3, 2))
    for first in (0, 4, 8):
        part = StepDraws(5, Rows(first, 4, 12), "cpu")
        assert torch.equal(part.uniform(), t[first : first + 4])
        assert torch.equal(part.normal(3, 2), noise[first : first + 4])
