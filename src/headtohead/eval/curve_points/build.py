"""The evaluator of a run."""

from __future__ import annotations

from pathlib import Path

from headtohead.config.run_config import RunConfig
from headtohead.eval.curve_points.base import Evaluator
from headtohead.eval.curve_points.official import Official
from headtohead.eval.curve_points.synthetic import SyntheticEvaluator
from headtohead.models.build import Parts

PICTURES = "pictures"  # of points that are scored from files, below a run's folder


def build(config: RunConfig, parts: Parts, device: str, folder: Path) -> Evaluator:
    """Choose the evaluator by `exam.source`.

    config  of the run
    parts   of the run
    device  cpu or cuda
    folder  of the run
    """
    if config.exam.source == "world":
        return SyntheticEvaluator(config, parts, device)
    return Official(config, parts, device, folder / PICTURES)
