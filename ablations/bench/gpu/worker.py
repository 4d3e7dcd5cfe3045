"""Measure one line in a process that stays for the next ones: libraries, models and compiled code are kept."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from typing import Any

import torch

from ablations.bench.gpu.lines import FAILED, OUT, Line
from ablations.bench.gpu.measured import judges, pictures, runs, training
from ablations.bench.gpu.sizes import Sizes
from ablations.plan.one_design.accelerators import KINDS
from headtohead.pretrained.loading.by_name import calm, without_bars
from headtohead.utils import compute
from headtohead.utils.errors import one_line

Measure = Callable[[Line, Sizes, str, float], dict[str, Any]]
MEASURES: dict[str, Measure] = {
    "matmul": lambda line, sizes, device, peak: training.matmul(line, sizes, device),
    "step": training.measure, "trainer": runs.measure, "state": runs.state, "sampling": pictures.sampling,
    "decoding": pictures.decoding, "judge": judges.measure, "distance": pictures.distance,
}  # fmt: skip
EXHAUSTED = ("CUDA out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
LONGEST = 300  # characters of a reason


def run(line: Line, sizes: Sizes, device: str, peak: float) -> tuple[dict[str, Any], bool]:
    """The row of a line, and whether the process can measure another one.

    A line that does not fit into memory, or fails, gives a row that says so.

    line    what is measured
    sizes   of everything
    device  cpu or cuda
    peak    TFLOP/s of matrix products; 0 where that was not measured
    """
    began, row, healthy = time.perf_counter(), dict[str, Any](), True
    if device == "cuda":
        torch.set_float32_matmul_precision("high")  # as the trainer does
    if line.kind != "step":
        training.Kept.forget()
    without_bars()
    try:
        with calm():
            row = MEASURES[line.kind](line, sizes, device, peak)
    except Exception as error:  # of any library: the next line is measured all the same
        reason = one_line(error)[:LONGEST] or type(error).__name__
        out = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(text in str(error) for text in EXHAUSTED)
        row = {OUT: reason} if out else {FAILED: f"{type(error).__name__}: {reason}"}
        healthy = "CUDA error" not in str(error)
    if OUT in row or FAILED in row:
        training.Kept.forget()
    if healthy:
        training.cleared()
    return {**row, "took": round(time.perf_counter() - began, 2)}, healthy


def begin(device: str | None) -> tuple[str, str, dict[str, Any]]:
    """What the first call of a process returns: device, the GPU's name in files, and machine, packages and commit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends its processes
    device = device or compute.best_device()
    about = compute.describe(device)
    if device != "cuda":
        return device, device, about
    about["machine"]["memory GiB"] = torch.cuda.get_device_properties(0).total_memory / 2**30
    about["packages"]["cuda"] = torch.version.cuda
    return device, named(about["machine"]["name"]), about


def named(name: str) -> str:
    """A GPU's name as the planner's kinds are called, h100 for NVIDIA H100 80GB HBM3; else in letters and digits."""
    words = re.findall("[a-z0-9]+", name.lower())
    kinds = [kind for kind in KINDS if all(word in words for word in kind.split("-"))]
    return max(kinds, key=len) if kinds else "-".join(word for word in words if word != "nvidia")
