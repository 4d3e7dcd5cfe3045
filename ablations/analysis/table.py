"""What a comparison holds, and the bounds of it: all that a figure needs, which is drawn without any statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ablations.analysis import statistics
from ablations.analysis.curves import Numbers
from headtohead.records import ceilings

# What stands in the comparison, under which title, with how many digits, and whether more is better.
METRICS = {
    "geneval/overall": ("GenEval", 3, True),
    "geneval/seen": ("seen", 3, True),
    "geneval/unseen": ("unseen", 3, True),
    "dpg/overall": ("DPG", 3, True),
    "fid": ("FID", 1, False),
}


def lines(metric: str, representations: Iterable[str]) -> list[tuple[str, float, bool]]:
    """Ceilings of what is compared and the floor of shuffled prompts: name, value, and whether it is a floor. FID has
    none of the latter: pictures of other prompts are as like true ones as those of the right prompts."""
    rows = [(f"{r.upper()} ceiling", ceilings.ceiling(r), False) for r in sorted(set(representations)) if r]
    rows += [("shuffled prompts", ceilings.floor(), True)] if METRICS[metric][2] else []
    return [(name, row[metric], floor) for name, row, floor in rows if metric in row]


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
