"""The machine and packages of a run, its peak memory, counted FLOPs, and autocast."""

from __future__ import annotations

import contextlib
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
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
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


BF16 = "HEADTOHEAD_BF16"  # "exact" computes bf16 on any CPU: slower than single precision where it has no such units
_UNITS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # of CPUs that multiply bf16, as torch names them


def computed_in(precision: str, device: torch.device | str) -> str:
    """The precision in which a device computes: float32 instead of bf16 where that would be slower.

    precision  as set: float32 or bf16
    device     of the computation
    """
    return "bf16" if precision == "bf16" and (fast_bf16(device) or exact_bf16(device)) else "float32"


def dtype(precision: str, device: torch.device | str) -> torch.dtype:
    """Of matrices in a precision as set, on a device."""
    return torch.bfloat16 if computed_in(precision, device) == "bf16" else torch.float32


def fast_bf16(device: torch.device | str) -> bool:
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has = torch.cpu.get_capabilities()
    return kind != "cpu" or any(has.get(unit) for unit in _UNITS)


def exact_bf16(device: torch.device | str) -> bool:
    """Whether bf16 is asked for on a CPU without units for it."""
    return os.environ.get(BF16) == "exact" and not fast_bf16(device)


def autocast(precision: str, device: torch.device | str) -> AbstractContextManager[Any]:
    """Autocast for training, sampling and held-out losses; weights stay in single precision.

    precision  as set: float32 or bf16; see `computed_in`
    device     of the computation
    """
    kind, own = torch.device(device).type, contextlib.ExitStack()
    bf16 = computed_in(precision, device) == "bf16"
    own.enter_context(products(precision, device))
    if bf16 and kind == "cpu" and torch.is_grad_enabled():
        # The fused kernel's gradient is slower in bf16 than in single precision, in which `attend` asks for it.
        own.enter_context(sdpa_kernel(SDPBackend.MATH))
    own.enter_context(torch.autocast(kind, torch.bfloat16, enabled=bf16))
    return own


def products(precision: str, device: torch.device | str) -> AbstractContextManager[Any]:
    """Products of matrices for a backward pass, which is outside of `autocast`; arguments as there."""
    exact = precision == "bf16" and exact_bf16(device)
    return ExactBf16() if exact else contextlib.nullcontext()


class ExactBf16(TorchDispatchMode):
    """Products of bf16 matrices on a CPU without units for them: in single precision, then rounded to bf16.

    That is what such units compute, except for the order of the sums; torch's own code for such CPUs takes a hundred
    times as long.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _PRODUCTS and args[0].dtype == torch.bfloat16:
            out = func(*(x.float() if isinstance(x, torch.Tensor) else x for x in args), **(kwargs or {}))
            return out.bfloat16()
        return func(*args, **(kwargs or {}))


_PRODUCTS = {getattr(torch.ops.aten, name).default for name in ("mm", "bmm", "addmm", "baddbmm", "convolution")}
