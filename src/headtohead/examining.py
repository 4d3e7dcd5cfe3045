"""Who examines a run, as its configuration says."""

from __future__ import annotations

from pathlib import Path

from headtohead.assemble import Parts
from headtohead.config import RunConfig
from headtohead.measure import Meter
from headtohead.measured import Examiner
from headtohead.official import Official

PICTURES = "pictures"  # of points that are judged from files, below a run's folder


def build(config: RunConfig, parts: Parts, device: str, folder: Path) -> Examiner:
    if config.exam.source == "world":
        return Meter(config, parts, device)
    return Official(config, parts, device, folder / PICTURES)
