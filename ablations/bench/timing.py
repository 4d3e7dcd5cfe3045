"""Repeat work, and turn its times into rates."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def rounds(work: Callable[[], Any], device: str, seconds: float, least: int = 3) -> list[float]:
    """Seconds of each round, after one to warm up.

    work     one round
    device   cpu or cuda, which is waited for
    seconds  for which rounds are repeated
    least    number of rounds
    """
    out: list[float] = []
    work()
    wait(device)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(out) < least:
        start = time.perf_counter()
        work()
        wait(device)
        out.append(time.perf_counter() - start)
    return out


def peak(square: int, precision: str, device: str, seconds: float) -> float:
    """FLOP/s of a large matrix product, in the fastest round of so many seconds.

    square     side of the matrices
    precision  float32 or bf16
    device     cpu or cuda
    seconds    for which rounds are repeated
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(square, square, device=device, dtype=dtype) for _ in range(2))
    return 2 * square**3 / min(rounds(lambda: a @ b, device, seconds))


def rate_of(pictures: int, times: list[float]) -> dict[str, Any]:
    """Pictures a second, of the median round and of the slow and fast ones.

    pictures  of a round
    times     seconds of each round
    """
    low, middle, high = np.quantile(times, (0.1, 0.5, 0.9))
    rates = {"pictures/s": pictures / middle, "10 % to 90 %": [pictures / high, pictures / low]}
    return {"batch": pictures, "rounds": len(times), **rates}


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
