"""Shared pieces of the tests."""

from __future__ import annotations

import pytest
import torch

from headtohead.world import judge
from headtohead.world.judge import PixelJudge

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def pixel_judge() -> PixelJudge:
    return judge.load()
