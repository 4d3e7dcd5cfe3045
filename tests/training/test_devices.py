"""One global batch on any number of processes: the same samples, the same noise, the same curve."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import forked
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
from headtohead.training import run

NEAR = 5e-3  # of the weights: sums in another order, through AdamW's division by small numbers


class Started:
    """A training: torchrun with its processes, or a fork for each process, in the environment that torchrun gives."""

    def __init__(self, config: RunConfig, folder: Path, cache: Path, processes: int, torchrun: bool) -> None:
        Recorder(folder).begin({**config.plain(), "hash": config.hash})
        self.said, words = folder / "said.txt", [str(folder), "--cache", str(cache), "--device", "cpu"]
        if torchrun:
            launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
            command = [sys.executable, *launcher, "-m", "headtohead.training.run", *words]
            env = {**os.environ, "OMP_NUM_THREADS": "1"}
            with self.said.open("w") as said:
                self.parts: list[Any] = [subprocess.Popen(command, stderr=said, stdout=subprocess.DEVNULL, env=env)]
        else:
            ranks = [elastic(rank, processes, port) if processes > 1 else {} for port in [free_port()]
                     for rank in range(processes)]  # fmt: skip
            self.parts = [forked.start(train, words, str(self.said), env=env) for env in ranks]

    def finish(self) -> str:
        codes = self.ended()
        assert not any(codes), self.said.read_text()[-2000:]
        return self.said.read_text()

    def running(self) -> bool:
        return any(p.poll() is None if isinstance(p, subprocess.Popen) else p.is_alive() for p in self.parts)

    def stop(self) -> None:
        for part in self.parts:
            part.terminate()

    def ended(self) -> list[int]:
        for part in self.parts:
            part.wait(300) if isinstance(part, subprocess.Popen) else part.join(300)
        return [p.returncode if isinstance(p, subprocess.Popen) else p.exitcode for p in self.parts]


def train(words: list[str], said: str) -> None:
    torch.set_num_threads(1)
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    sys.exit(run.main(words))


def elastic(rank: int, world: int, port: int) -> dict[str, str]:
    """What torchrun says to a process."""
    numbers = {
        "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "GROUP_RANK": 0,
        "MASTER_PORT": port,
    }  # fmt: skip
    return {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", **{k: str(v) for k, v in numbers.items()}}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def start(config: RunConfig, folder: Path, cache: Path, processes: int = 1, torchrun: bool = False) -> Started:
    return Started(config, folder, cache, processes, torchrun)


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
    start(configure("clip_flow", overrides=SMALL), folder, cache).finish()
    return folder


@pytest.mark.parametrize(
    "more", [{}, {"compute.micro_batch": 2}, {"compute.strategy": "fsdp"}], ids=["ddp", "parts", "fsdp"]
)
def test_two_processes_give_the_curve_of_one(more: dict[str, object], tmp_path: Path, alone: Path, cache: Path) -> None:
    config = configure("clip_flow", overrides={**SMALL, **more})
    start(config, tmp_path / "run", cache, processes=2).finish()
    same(alone, tmp_path / "run")


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_stopped_on_two_processes_goes_on_with_one(
    strategy: str, tmp_path: Path, alone: Path, cache: Path
) -> None:
    config, cut = configure("clip_flow", overrides={**SMALL, "compute.strategy": strategy}), tmp_path / "cut"
    training = start(config, cut, cache, processes=2, torchrun=strategy == "ddp")
    point = cut / "curve.jsonl"
    while training.running() and not point.exists():
        time.sleep(0.02)
    training.stop()
    training.ended()
    assert runs(cut)[0].state["state"] in ("stopped", "running")  # torchrun kills what takes longer than 30 s
    assert "going on at step" in start(config, cut, cache).finish()
    same(alone, cut)


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
