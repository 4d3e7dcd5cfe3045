"""How long a round of some work takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch


def rounds(work: Callable[[], Any], device: str, lasting: float) -> list[float]:
    """Seconds of each round until the time is up, three at least; one before them counts for nothing."""
    out: list[float] = []
    work()
    _wait(device)
    end = time.perf_counter() + lasting
    while time.perf_counter() < end or len(out) < 3:
        start = time.perf_counter()
        work()
        _wait(device)
        out.append(time.perf_counter() - start)
    return out


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
