"""What a run ran on, and how much memory it took."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

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
    """Of the checkout that this code lies in, and whether it was changed since; an installed package has none.

    Records under results/ are no code: a run that writes over committed ones changes nothing that made it.
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
    """The most memory this process held: the accelerator's, or the machine's own."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def megabytes(maxrss: float) -> float:
    """What the system calls a process's largest size: macOS counts bytes, Linux kilobytes."""
    return maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
