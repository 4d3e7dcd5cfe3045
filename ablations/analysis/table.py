"""A table of the report, and numbers over seeds as its cells show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ablations.analysis import statistics
from ablations.analysis.curves import Numbers


@dataclass(frozen=True)
class Table:
    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""
    marked: frozenset[tuple[int, int]] = frozenset()  # cells that hold the best mean of their column


def interval(values: Numbers, digits: int) -> str:
    """Mean and half-width of the 95 % t interval over the seeds that have a number; one seed has no interval."""
    values = values[~np.isnan(values)]
    if not len(values):
        return "–"
    mean, _, high = statistics.interval(values)
    return f"{mean:.{digits}f}" if np.isnan(high) else f"{mean:.{digits}f} ± {high - mean:.{digits}f}"
