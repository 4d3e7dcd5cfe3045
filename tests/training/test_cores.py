"""Trainings on one machine share its cores: each sees the others, also when one is killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import forked
import pytest
import torch
from small import SMALL

from headtohead.config.presets import configure
from headtohead.training.callbacks import cores
from headtohead.training.callbacks.cores import SharedCores, counted, sharers
from headtohead.training.run import train
from headtohead.utils.cli import Parser


def other(folder: Path, ready: Path) -> None:
    """A training that lasts until it is killed."""
    cores.FOLDER = folder
    with counted():
        ready.touch()
        time.sleep(600)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other trainings of this machine are not seen, and eight threads are all of them."""
    monkeypatch.setattr(cores, "FOLDER", tmp_path / "trainings")
    monkeypatch.setattr(cores, "EVERY", 0.0)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


def step(callback: SharedCores) -> int:
    callback.on_train_batch_end(Any, Any)  # type: ignore[arg-type]
    return torch.get_num_threads()


def test_a_training_adjusts_its_threads_as_others_come_and_go() -> None:
    with counted():
        own = SharedCores()
        assert torch.get_num_threads() == 8
        with ExitStack() as others:
            others.enter_context(counted())
            assert step(own) == 4
            others.enter_context(counted())
            assert step(own) == 2
        assert step(own) == 8


def test_one_that_is_killed_is_not_counted(tmp_path: Path) -> None:
    process = forked.start(other, cores.FOLDER, tmp_path / "ready")
    while process.is_alive() and not (tmp_path / "ready").exists():
        time.sleep(0.01)
    with counted():
        assert sharers() == 2
        process.kill()
        process.join()
        assert sharers() == 1
        assert len(list(cores.FOLDER.iterdir())) == 2  # what it left says nothing


def test_trainings_on_other_cores_are_not_counted() -> None:
    with counted(), counted():
        (first, _) = cores.FOLDER.iterdir()
        first.write_text(json.dumps([10_000]))
        assert sharers() == 1


def test_threads_that_a_user_sets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = Parser("ablations.test", "A command.")
    parser.add_device()
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    parser.parse_args(["--threads", "3"])
    assert os.environ["OMP_NUM_THREADS"] == "3"
    with counted(), counted():
        assert step(SharedCores()) == 8


def test_a_run_takes_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(SharedCores, "on_train_batch_end", lambda *_: seen.append(torch.get_num_threads()))
    config = configure("vae_flow", overrides={**SMALL, "train.steps": 1, "evaluation.every": 1})
    with counted():
        train(config, tmp_path / "run", tmp_path / "cache", device="cpu", say=print)
    assert seen == [4]
    assert torch.get_num_threads() == 8
    assert json.loads((tmp_path / "run" / "status.json").read_text())["machine"]["threads"] == 4
