"""How steps are computed, from a run's configuration: in which precision, in which portions of a batch."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from headtohead.config import ComputeConfig
from headtohead.strict import ConfigError


def autocast(compute: ComputeConfig, device: torch.device | str) -> AbstractContextManager[Any]:
    """Training, sampling and held-out losses in one precision; weights stay in single precision."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=compute.precision == "bf16")


@dataclass(frozen=True)
class Portion:
    """The rows of every global batch that one device works off: some at once, beginning at these."""

    at_once: int
    starts: tuple[int, ...]

    @classmethod
    def of(cls, batch: int, micro: int = 0, rank: int = 0, world: int = 1) -> Portion:
        """Neighbouring rows go to one device, so that any number of devices sees the same global batch."""
        if batch % world:
            raise ConfigError(f"train.batch={batch}: cannot be shared evenly by {world} devices")
        share = batch // world
        at_once = min(micro or share, share)
        if share % at_once:
            raise ConfigError(f"compute.micro_batch={micro}: does not divide the {share} pictures a device takes")
        return cls(at_once, tuple(range(rank * share, (rank + 1) * share, at_once)))
