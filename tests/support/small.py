"""The smallest run that still goes through every part."""

from __future__ import annotations

from headtohead.config.design import DESIGNS
from headtohead.config.heads import HEADS

SMALL = {
    "head.dim": 32, "head.layers": 2, "head.heads": 2, "head.kv_heads": 1, "head.multiple_of": 32,
    "train.steps": 6, "train.batch": 8, "train.warmup": 2, "train.lr": 3e-3, "data.pictures": 32, "query.groups": 2,
    "evaluation.every": 3, "evaluation.geneval": 12, "evaluation.dpg": 3, "evaluation.final_geneval": 12,
    "evaluation.final_dpg": 3, "evaluation.diverse": 1, "evaluation.held_out": 8, "sampling.steps": 2,
    "compute.compile": False,  # tests stop runs of many steps after a few
}  # fmt: skip
LINEAR = {key: value for key, value in SMALL.items() if not key.startswith("head.")}  # of heads without settings


def small(design: str) -> dict[str, float]:
    """The settings that a design's head has."""
    return SMALL if HEADS[DESIGNS[design].head].keys else LINEAR


# What the default scale was when the configurations in `before` were written.
THEN = {
    "compute.precision": "float32", "compute.compile": False, "train.optimizer": "adamw", "train.lr": 0.004,
    "evaluation.every": 200, "sampling.guidance": 2.0, "sampling.guidance_from": 0.0,
}  # fmt: skip
