"""The examiner of a run, as its configuration says."""

from __future__ import annotations

from pathlib import Path

from headtohead.config.run_config import RunConfig
from headtohead.eval.curve_points.base import Examiner
from headtohead.eval.curve_points.official import Official
from headtohead.eval.curve_points.synthetic import SyntheticExaminer
from headtohead.models.build import Parts

PICTURES = "pictures"  # of points that are scored from files, below a run's folder


def build(config: RunConfig, parts: Parts, device: str, folder: Path) -> Examiner:
    if config.exam.source == "world":
        return SyntheticExaminer(config, parts, device)
    return Official(config, parts, device, folder / PICTURES)
