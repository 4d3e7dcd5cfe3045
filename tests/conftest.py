"""Shared pieces of the tests."""

from __future__ import annotations

import os

import pytest
import torch
from forked import FORKS

from headtohead.eval.judges import pixels
from headtohead.eval.judges.pixels import PixelJudge
from headtohead.utils import processes

# Beside other processes of tests one thread each: two that spin for one core wait for each other.
torch.set_num_threads(threads := 1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # trainings of tests do not adjust theirs


processes.use_huge_pages()  # for the workers that xdist is about to start
processes.SPAWN = FORKS  # type: ignore[assignment]  # of the commands that tests call in their own process
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a process that tests start should not compile everything again


@pytest.fixture(scope="session")
def pixel_judge() -> PixelJudge:
    return pixels.load()
