"""What is measured of a part: its rate, and the rates of two ways of the same work."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import torch

from ablations.bench import parts, timing
from headtohead.eval.metrics import fid
from headtohead.utils import compute, processes
from headtohead.utils.processes import isolated

TURNS = 2
SAMPLES = {"1,000 pictures": 1000, "5,000 pictures": 5000}
DIMENSIONS, REFERENCE = 2048, 30_000  # Inception's features; MJHQ-30k's pictures


def rate(name: str, device: str, seconds: float) -> dict[str, Any]:
    """Pictures a second of a part, from its median round.

    name     key of parts.PARTS
    device   cpu or cuda
    seconds  for which rounds of one batch are repeated
    """
    with torch.no_grad():
        work, pictures = parts.PARTS[name](device)
        times = timing.rounds(work, device, seconds)
    row = {"part": name, **timing.rate_of(pictures, times), "peak MB": compute.peak_mb(device)}
    return row | _share(name, row["pictures/s"], device, seconds) if name.endswith(parts.STEP) else row


def _share(name: str, pictures: float, device: str, seconds: float) -> dict[str, Any]:
    """How much of what the machine reaches with one large product a training step uses, in the same precision.

    name      of a training step
    pictures  a second
    device    cpu or cuda
    seconds   of which a quarter is spent on the peak
    """
    flops, precision = parts.cost(name.split(":")[0], device)
    peak = timing.peak(parts.SQUARE, precision, device, seconds / 4)
    reached = {"TFLOP/s": pictures * flops / 1e12, "share of peak": pictures * flops / peak}
    return {"GFLOP a picture": flops / 1e9, **reached, "peak TFLOP/s": peak / 1e12, "precision": precision}


def page_sizes(name: str, device: str, seconds: float) -> dict[str, Any]:
    """A part's rate in huge memory pages, as commands start their processes, and in small ones, in turns."""
    rates: dict[str, list[float]] = {"huge": [], "small": []}
    for _ in range(TURNS):
        for kind, setting in (("huge", processes.HUGE_PAGES[1]), ("small", "")):
            os.environ[processes.HUGE_PAGES[0]] = setting
            rates[kind].append(isolated(rate, name, device, seconds)["pictures/s"])
    huge, small = (float(np.median(rates[kind])) for kind in ("huge", "small"))
    return {"part": name, "huge pages/s": huge, "small pages/s": small, "times faster": huge / small, "turns": rates}


def frechet(name: str, device: str, seconds: float) -> dict[str, Any]:
    """A Fréchet distance with the reference's cached root, and with the matrix square root that clean-fid takes.

    Both get features and the reference's moments. The root is made once for a reference and timed by itself.
    """
    import scipy.linalg

    rng = np.random.default_rng(0)
    scale = np.geomspace(1, 1e-3, DIMENSIONS)
    reference = fid.Reference.of(rng.normal(size=(REFERENCE, DIMENSIONS)) * scale)
    features = rng.normal(size=(SAMPLES[name], DIMENSIONS)) * scale[::-1] + 0.01
    start = time.perf_counter()
    reference.root.sum()
    root, rounds = time.perf_counter() - start, list[float]()
    for _ in range(3):
        start = time.perf_counter()
        ours = reference.distance(features)
        rounds.append(time.perf_counter() - start)
    start = time.perf_counter()
    mean, covariance = fid.moments(features)
    shared = scipy.linalg.sqrtm(covariance @ reference.covariance)
    offset = mean - reference.mean
    theirs = float(offset @ offset + np.trace(covariance + reference.covariance - 2 * np.real(shared)))
    slow, own = time.perf_counter() - start, float(np.median(rounds))
    times = {"seconds": own, "root once": root, "sqrtm": slow, "times faster": slow / own}
    return {"part": name, **times, "difference": abs(ours - theirs)}
