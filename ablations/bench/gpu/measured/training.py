"""A training step: condition, loss, gradients, weights and their average, with the FLOPs and the peak memory of it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from ablations.bench.gpu import models
from ablations.bench.gpu.lines import AIMS, FAILED, LIVE_AIM, Line
from ablations.bench.gpu.sizes import Sizes
from ablations.bench.parts import trainer_step
from ablations.bench.timing import rate_of, rounds, wait
from headtohead.config.run_config import RunConfig
from headtohead.models.build import Parts
from headtohead.utils import compute
from headtohead.utils.errors import one_line

SHOWN, STEPS = 15, 2  # operators of a profile, and steps that it covers
Work = Callable[[], None]


def matmul(line: Line, sizes: Sizes, device: str) -> dict[str, Any]:
    """The peak: FLOP/s of the fastest of a few large bf16 products, in its fastest round."""
    found = {}
    for m, k, n in sizes.shapes:
        a, b = (torch.randn(*shape, device=device, dtype=torch.bfloat16) for shape in ((m, k), (k, n)))
        fastest = min(rounds(lambda a=a, b=b: a @ b, device, sizes.seconds / 2))  # type: ignore[misc]
        found[f"{m} x {k} x {n}"] = 2 * m * k * n / fastest / 1e12
    return {"peak TFLOP/s": max(found.values()), "TFLOP/s": found, "peak MB": compute.peak_mb(device)}


class Kept:
    """The modules of the last line, for the next one of the same model; never two of them at once."""

    key: Any = None
    parts: Parts | None = None

    @classmethod
    def forget(cls) -> None:
        cls.key = cls.parts = None
        cleared()


def cleared() -> None:
    """Give a GPU's memory back that nothing holds any more; modules and optimizers refer to each other."""
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def built(line: Line, sizes: Sizes, config: RunConfig, device: str) -> Parts:
    """The modules of a line."""
    key = (line.model, line.live, line.compiled and line.batch, line.checkpointing)
    if Kept.key != key or Kept.parts is None:
        Kept.forget()
        if line.compiled:  # after another batch, it would be compiled for any batch
            torch.compiler.reset()
        Kept.parts, Kept.key = models.parts(config, sizes.decoder(line), device, encoder=line.live), key
    return Kept.parts


def measure(line: Line, sizes: Sizes, device: str, peak: float) -> dict[str, Any]:
    """One row.

    line    a training step
    sizes   of its model
    device  cpu or cuda
    peak    TFLOP/s of matrix products on it; 0 where that was not measured
    """
    config = sizes.config(line)
    own = built(line, sizes, config, device)
    batches = models.batches(own.codec, line.batch, device, encoded=not line.live)
    of_batch, step_of = trainer_step(own, config, device)
    backward, step = (lambda: of_batch(next(batches))), (lambda: step_of(next(batches)))
    with torch.compiler.set_stance("force_eager"):
        flops = compute.flops(backward) / line.batch  # by the rule of runs, of these very prompts
    own.generator.zero_grad()
    forget_peak(device)
    step()  # compiles
    times = rounds(step, device, sizes.seconds)
    row = {**rate_of(line.batch, times), **spent(flops, line.batch, times, peak)}
    trained = own.generator.trained().values()
    row |= {
        "parameters": sum(p.numel() for p in own.generator.parameters()),
        "trained": sum(p.numel() for p in trained), "peak MB": compute.peak_mb(device), **aim(line),
    }  # fmt: skip
    if short(row):
        try:
            row["profile"] = profiled(step, device)
        except Exception as error:  # of a profiler that this machine does not have: the figures stay
            row["profile"] = {FAILED: f"{type(error).__name__}: {one_line(error)}"}
    return row


def spent(flops: float, batch: int, times: list[float], peak: float) -> dict[str, float]:
    """What a step computes a second.

    flops  of a picture
    batch  pictures of a step
    times  seconds of each step
    peak   TFLOP/s of matrix products; 0: unknown
    """
    rate = flops * batch / sorted(times)[len(times) // 2] / 1e12
    share = {"peak TFLOP/s": peak, "share of peak": rate / peak} if peak else {}
    return {"TFLOP a picture": flops / 1e12, "TFLOP/s": rate, **share}


def aim(line: Line) -> dict[str, float]:
    """What the line should reach, where it has an aim."""
    if not line.compiled or line.checkpointing:
        return {}
    if line.live:
        return {"aim pictures/s": LIVE_AIM} if line.model == ("paper", "clip_flow") else {}
    return {"aim share of peak": AIMS[line.model]} if line.model in AIMS else {}


def short(row: dict[str, Any]) -> bool:
    """Whether a row misses its aim."""
    return any(name in row and row[name] < row.get(f"aim {name}", 0.0) for name in ("share of peak", "pictures/s"))


def forget_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()


def profiled(step: Callable[[], None], device: str) -> dict[str, Any]:
    """Where the time of a step goes: the kernels (on a CPU: operators) that take most of it, in ms a step."""
    on_device = device == "cuda"  # there, operators of the CPU are listed too
    kinds = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if on_device else [ProfilerActivity.CPU]
    with profile(activities=kinds) as seen:
        began = time.perf_counter()
        for _ in range(STEPS):
            step()
        wait(device)
        whole = time.perf_counter() - began
    spent = [
        (e.key, e.count / STEPS, (e.self_device_time_total if on_device else e.self_cpu_time_total) / STEPS / 1e3)
        for e in seen.key_averages()
        if (e.device_type.name == "CUDA") == on_device
    ]
    spent.sort(key=lambda one: -one[2])
    return {
        "ms a step": 1e3 * whole / STEPS,
        "ms computing": sum(ms for _, _, ms in spent),
        "most": [{"what": name[:100], "calls": calls, "ms": ms} for name, calls, ms in spent[:SHOWN]],
    }
