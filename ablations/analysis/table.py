"""A table of the report, and numbers over seeds as its cells show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablations.analysis import statistics
from ablations.analysis.curves import Numbers

NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?(e[+-]\d+)?($|\s)")  # perhaps with an interval or a unit; not hashes
MISSING = {"", "–", "not reached"}


def words(rows: Sequence[Sequence[str]]) -> frozenset[int]:
    """Columns of words, which stand at the left; columns of numbers stand at the right."""
    columns = [[cell for cell in column if cell not in MISSING] for column in zip(*rows, strict=True)]
    return frozenset(
        k for k, cells in enumerate(columns) if not k or 2 * sum(map(bool, map(NUMBER.match, cells))) < len(cells)
    )


@dataclass(frozen=True)
class Table:
    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""
    marked: frozenset[tuple[int, int]] = frozenset()  # cells that hold the best mean of their column

    @property
    def words(self) -> frozenset[int]:
        return words(self.rows)


def interval(values: Numbers, digits: int) -> str:
    """Mean and half-width of the 95 % t interval over the seeds that have a number; one seed has no interval."""
    values = values[~np.isnan(values)]
    if not len(values):
        return "–"
    mean, _, high = statistics.interval(values)
    return f"{mean:.{digits}f}" if np.isnan(high) else f"{mean:.{digits}f} ± {high - mean:.{digits}f}"
