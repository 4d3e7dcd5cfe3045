"""The result of one comparison of a claim, and how two designs are compared.

Differences are positive if they agree with the claim. FID, a positive distance without a natural unit, is compared by
its logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ablations.analysis.curves import STEPS, Numbers
from ablations.analysis.designs import Cell, compared, near_floor
from ablations.analysis.equal_budget import Equal, Incomparable
from ablations.analysis.statistics import SMALLEST, Difference, difference
from headtohead.config.design import DESIGNS
from headtohead.records import metrics

POINTS, LOG, SHARE = "points", "log", "share"


class Missing(Exception):
    """Raised if a sweep has no runs for a check."""


class Unmeasured(Exception):
    """Raised if runs exist but the quantity cannot be computed from them."""


@dataclass(frozen=True)
class Score:
    """What one design scored in a comparison.

    cell    the design
    metric  key of the score
    values  (seeds,)
    """

    cell: Cell
    metric: str
    values: Numbers


@dataclass(frozen=True)
class Evidence:
    """The result of a check, before correction for multiple comparisons."""

    difference: Difference
    unit: str
    detail: str
    used: tuple[Cell, ...]
    margin: float = SMALLEST
    because: str = ""  # why it must be so, if it is the same in every seed
    scores: tuple[Score, ...] = ()  # that were compared

    @property
    def constructed(self) -> bool:
        """Whether the design makes the result what it is, so that there is nothing to test."""
        same = self.difference.constant or self.difference.n == 1
        return bool(self.because) and same and self.difference.effect > 0


def cell_of(cells: Sequence[Cell], design: str) -> Cell:
    """The cell with a design's axes, preferably without varied settings."""
    axes = asdict(DESIGNS.find(design, "claim"))
    same = [c for c in cells if c.axes == axes]
    plain = [c for c in same if not c.varied]
    for found in ([c for c in plain if c.name == design], plain, same):
        if len(found) == 1:
            return _finished(found[0])
    raise Missing(f"{len(same)} variants of {design} and none of them plain" if same else f"no runs of {design}")


def _finished(cell: Cell) -> Cell:
    if not cell.curves:
        raise Missing(f"no finished run of {cell.name}")
    return cell


def better(a: Cell, b: Cell, metric: str, by: str = STEPS, share: float = 1.0, may_differ: str = "") -> Evidence:
    """By how much a is better than b, over the seeds that both have finished."""
    for cell in (a, b):
        if metric not in cell.curves:
            raise Missing(f"no {metric} of {cell.name}")
    at = compared([a, b], metric, by, share, may_differ)
    rows = at.scores
    if not (seeds := sorted(rows[0].keys() & rows[1])):
        raise Incomparable("seed", f": {a.name} and {b.name} share none")
    one, other = (np.array([row[s] for s in seeds]) for row in rows)
    logarithmic = metrics.of(metric).scale == "log"
    signed = (np.log(one) - np.log(other) if logarithmic else one - other) * (1 if metrics.of(metric).higher else -1)
    return Evidence(
        difference(signed), LOG if logarithmic else POINTS, _described(a, b, one, other, metric, at), (a, b),
        scores=(Score(a, metric, one), Score(b, metric, other)),
    )  # fmt: skip


def _described(a: Cell, b: Cell, one: Numbers, other: Numbers, metric: str, at: Equal) -> str:
    of = metrics.of(metric)
    means = f"{a.name} {of.text(one.mean())}, {b.name} {of.text(other.mean())}"
    return "; ".join(filter(None, (f"{of.name}: {means} {at}", at.note, _floored((a, b), (one, other), metric))))


def _floored(cells: Sequence[Cell], scores: Sequence[Numbers], metric: str) -> str:
    """Which of two designs are near the floor, in words."""
    found = [near_floor(c.curves[metric], float(v.mean())) for c, v in zip(cells, scores, strict=True)]
    low = [(c.name, metrics.of(metric).text(floor)) for c, floor in zip(cells, found, strict=True) if floor is not None]
    if not low:
        return ""
    below = all(v.mean() < floor for v, floor in zip(scores, found, strict=True) if floor is not None)
    near = f"{'below' if below else 'near'} the floor of {low[0][1]}, the score of pictures that ignore their prompts"
    return f"{low[0][0]} is {near}" if len(low) == 1 else f"both are {near}, so that their difference says little"


def weakest(parts: Sequence[Evidence]) -> Evidence:
    """The weakest part: one below the margin, otherwise the one with the largest p-value."""
    small = [e for e in parts if abs(e.difference.effect) < e.margin]
    return min(small, key=lambda e: abs(e.difference.effect)) if small else max(parts, key=lambda e: e.difference.p)
