"""A training step of the reference implementation beside ours: same sizes, pictures, captions, precision, one run.

Steps of both alternate, so that what else the machine does meets both; each pair of steps gives a ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ablations.bench.parts import trainer_step
from ablations.bench.peers import checkout, own
from ablations.bench.peers.reference import Reference
from ablations.bench.timing import wait
from headtohead.utils import compute

PARTS = {"cached features": False, "live encoders": True}  # whether pictures are encoded in the step
WARM = 2  # pairs before the first that counts
LEAST = 5  # pairs that count


class Spent(NamedTuple):
    """Seconds of a step."""

    wall: float
    cpu: float  # of this process, which what else the machine does hardly changes


def measure(name: str, device: str, seconds: float, folder: Path) -> dict[str, Any]:
    """How many times faster our step is than the reference's, from pairs of steps on the same batch.

    name     key of PARTS
    device   cpu (micro scale) or cuda (`single` scale)
    seconds  for which pairs are repeated
    folder   of the reference implementation
    """
    live = PARTS[name]
    ours = own.made(device)
    with checkout.opened(folder) as modules:
        reference = Reference(modules, ours, device, live)
        batches = own.batches(ours, device, live)
        reference.check(next(batches))
        (_, step), their_step = trainer_step(ours.parts, ours.config, device), reference.stepper()
        first = next(batches)
        flops = {
            "ours": _flops(lambda: step(first)),
            "reference": _flops(lambda: their_step(reference.inputs(first))),
        }
        pairs: list[tuple[Spent, Spent]] = []
        end = float("inf")
        while time.perf_counter() < end or len(pairs) < WARM + LEAST:
            batch = next(batches)
            works: list[Callable[[], Any]] = [partial(step, batch), partial(their_step, reference.inputs(batch))]
            order = (0, 1) if len(pairs) % 2 else (1, 0)
            times = {k: _timed(works[k], device) for k in order}
            pairs.append((times[0], times[1]))
            if len(pairs) == WARM:
                end = time.perf_counter() + seconds
    wall, cpu = ([(mine[k], theirs[k]) for mine, theirs in pairs[WARM:]] for k in range(len(Spent._fields)))
    row = {
        "part": f"{own.DESIGN}: training step, {name}",
        "batch": ours.batch,
        **ratio(wall, ours.batch),
        "GFLOP a picture": {side: n / ours.batch / 1e9 for side, n in flops.items()},
        "parameters": {"ours": ours.parameters, "reference": reference.parameters},
        "peak MB": compute.peak_mb(device),
    }
    return {**row, "in CPU time": ratio(cpu, ours.batch)} if device == "cpu" else row


def ratio(seconds: list[tuple[float, float]], pictures: int) -> dict[str, Any]:
    """How many times faster our steps are.

    seconds   of pairs of steps, ours and the reference's
    pictures  of a step
    """
    ours, theirs = np.array(seconds).T
    low, middle, high = np.quantile(theirs / ours, (0.1, 0.5, 0.9))
    return {
        "pairs": len(seconds),
        "times faster": middle,
        "10 % to 90 %": [low, high],
        "pictures/s": pictures / float(np.median(ours)),
        "reference pictures/s": pictures / float(np.median(theirs)),
    }


def about(device: str, folder: Path) -> dict[str, Any]:
    config = own.config_of(device)
    return {
        "scale": config.scale,
        "precision": compute.computed_in(config.compute.precision, device),
        "queries": own.QUERIES,
        "weights": "random; ours at micro scale are the shipped ones",
        "reference": checkout.about(folder),
    }


def _flops(work: Callable[[], Any]) -> float:
    with torch.compiler.set_stance("force_eager"):
        return compute.flops(work)


def _timed(work: Callable[[], Any], device: str) -> Spent:
    start, used = time.perf_counter(), time.process_time()
    work()
    wait(device)
    return Spent(time.perf_counter() - start, time.process_time() - used)
