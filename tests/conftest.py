"""Shared pieces of the tests."""

from __future__ import annotations

import os

import pytest
import torch

from headtohead import command
from headtohead.world import judge
from headtohead.world.judge import PixelJudge

# Beside other processes of tests one thread each: two that spin for one core wait for each other.
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


command.roomy()  # for the workers that xdist is about to start


@pytest.fixture(scope="session")
def pixel_judge() -> PixelJudge:
    return judge.load()
