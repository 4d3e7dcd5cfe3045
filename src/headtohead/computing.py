"""In which precision steps are computed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

from headtohead.config import ComputeConfig


def autocast(compute: ComputeConfig, device: torch.device | str) -> AbstractContextManager[Any]:
    """Training, sampling and held-out losses in one precision; weights stay in single precision."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=compute.precision == "bf16")
