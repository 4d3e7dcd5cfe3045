"""The machine and packages of a run, its peak memory, counted FLOPs, and autocast."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

PACKAGES = ("torch", "lightning", "transformers", "diffusers", "open_clip_torch")


def describe(device: str) -> dict[str, Any]:
    name = torch.cuda.get_device_name() if device == "cuda" else _processor()
    return {
        "machine": {"device": device, "name": name, "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "packages": versions(PACKAGES),
        "commit": commit(),
    }


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in packages}}


def commit() -> str | None:
    """The commit of the checkout that contains this file, with `-dirty` if files differ; None for an installed package.

    Changes under results/ are ignored: runs write records there.
    """
    here = Path(__file__)

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", here.parent, *words], check=True, capture_output=True, text=True).stdout

    try:
        git("ls-files", "--error-unmatch", here.name)
        last = git("rev-parse", "--short=12", "HEAD").strip()
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{last}-dirty" if changed else last


def peak_mb(device: str) -> float:
    """Peak memory of this process in MB, on the accelerator if it uses one."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def megabytes(maxrss: float) -> float:
    """Megabytes of `ru_maxrss`, which is in bytes on macOS and in kilobytes on Linux."""
    return maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


# torch counts the attention kernels of GPUs only; a run's account must not depend on the device that it ran on.
ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(grad, query, key, value))


def counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping={ATTENTION: _forward, BACKWARD: _backward})


def flops(work: Callable[[], Any]) -> float:
    """Without the fused encoder layers that torch takes where no gradient is wanted: it does not count those."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with counter() as counted:
            work()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return float(counted.get_total_flops())


def autocast(precision: str, device: torch.device | str) -> AbstractContextManager[Any]:
    """Autocast for training, sampling and held-out losses; weights stay in single precision.

    precision  float32 or bf16
    device     of the computation
    """
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16")
