"""The settings of objectives: each class holds the keys below `objective.` of those whose ObjectiveSpec names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from headtohead.config.parsing import Rule


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Base of every objective's settings; an objective without settings, as regression is, uses it as it stands."""


def _by_dimension(written: Any) -> Any:
    return 0.0 if written == "dimension" else written


@dataclass(frozen=True, kw_only=True)
class FlowConfig(ObjectiveConfig):
    """Flow matching; t runs from noise (0) to data (1)."""

    times: Literal["uniform", "logit_normal"] = "uniform"  # distribution of t in training
    # s of t -> t / (s + (1 - s) t), in training and in the solver's grid: above 1, times move towards noise. 0, or
    # `dimension`: the square root of (tokens x channels / 4096), at least 1.
    shift: Annotated[float, Rule("a number or `dimension`", convert=_by_dimension)] = 1.0
    predict: Literal["velocity", "x"] = "velocity"  # what the network gives: the velocity, or the image tokens x_1
