"""Scores at equal cost: equal steps, training FLOPs or wall time for all compared designs.

At equal steps, scores are those of the last step that all have reached. At equal FLOPs or seconds, scores are
interpolated linearly between points that have as many prompts as the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ablations.analysis.curves import FLOPS, FLOPS_TOTAL, PREFIXES, SECONDS, STEPS, Curve, Numbers, Terms
from headtohead.records import metrics

VIEWS = {
    STEPS: "steps",
    FLOPS: "training FLOPs of head and language model",
    FLOPS_TOTAL: "training FLOPs of everything",
    SECONDS: "seconds of training",
}


class Incomparable(ValueError):
    """Raised for numbers that must not be compared, with the field in which they differ."""

    def __init__(self, field: str, found: str) -> None:
        super().__init__(f"{field}{found}")
        self.field = field


@dataclass(frozen=True)
class Equal:
    """Scores of several designs at one budget."""

    by: str
    budget: float
    values: tuple[Numbers, ...]  # (seeds,) of each design
    seeds: tuple[tuple[int, ...], ...]
    until: int  # the last step that the scores use
    note: str = ""

    @property
    def scores(self) -> list[dict[int, float]]:
        """Scores of each design by seed, without missing ones."""
        both = zip(self.seeds, self.values, strict=True)
        return [{s: float(v) for s, v in zip(*own, strict=True) if not np.isnan(v)} for own in both]

    def __str__(self) -> str:
        return f"at {amount(self.budget, self.by)}" + (" of head and language model" if self.by == FLOPS else "")


def amount(budget: float, by: str) -> str:
    """As text: step 1,600, 24.7 TFLOPs, 32 TFLOPs of everything, 8.9 min."""
    if by == STEPS:
        return f"step {budget:,.0f}"
    if by == SECONDS:
        return f"{budget / 60:,.1f} min"
    prefix = max((p for p, size in PREFIXES.items() if size <= budget), key=PREFIXES.__getitem__, default="G")
    return f"{budget / PREFIXES[prefix]:,.3g} {prefix}FLOPs" + (" of everything" if by == FLOPS_TOTAL else "")


def equal(curves: Sequence[Curve], by: str = STEPS, share: float = 1.0) -> Equal:
    """Scores at a share of the largest budget that all seeds of all designs have reached."""
    by, note = _account(curves, by)
    if by == STEPS and share == 1:
        return _last(curves)
    ways = [_on_the_way(c) for c in curves]
    same_terms([t for c in ways for row in c.terms for t in row], ways[0].metric)
    # The share refers to the whole budget, so that it is the same for metrics whose last point has more prompts.
    budget = min(share * _reach(curves, by), _reach(ways, by))
    values = tuple(
        np.array([np.interp(budget, s, v, left=np.nan) for s, v in zip(c.spent[by], c.values, strict=True)])
        for c in ways
    )
    if any(np.isnan(v).all() for v in values):
        raise Incomparable(VIEWS[by], f": by its first point one has spent more than {amount(budget, by)}")
    return Equal(by, budget, values, tuple(c.seeds for c in curves), max(int(c.steps[-1]) for c in ways), note)


def _reach(curves: Sequence[Curve], by: str) -> float:
    return min(float(c.spent[by][:, -1].min()) for c in curves)


def same_terms(found: Sequence[Terms | None], metric: str) -> None:
    """Judge, mode and number of pictures must be equal; for diversity the number is a result (accepted pictures)."""
    for k, field in enumerate(Terms._fields):
        values = sorted({t[k] for t in found if t}, key=str)
        if len(values) > 1 and not (field == "n" and metrics.of(metric).accepted):
            raise Incomparable(f"{field} of {metric}", f" is {' and '.join(map(str, values))}")


def _account(curves: Sequence[Curve], by: str) -> tuple[str, str]:
    if by == FLOPS_TOTAL and not all(by in c.spent for c in curves):
        return FLOPS, f"in {VIEWS[FLOPS]}, for some record lacks the total"
    return by, ""


def _last(curves: Sequence[Curve]) -> Equal:
    shared = set.intersection(*(set(c.steps.tolist()) for c in curves))
    if not shared:
        raise Incomparable("step", ": no step is shared")
    step = max(shared)
    at = [int(np.flatnonzero(c.steps == step)[0]) for c in curves]
    same_terms([row[k] for c, k in zip(curves, at, strict=True) for row in c.terms], curves[0].metric)
    values = tuple(c.values[:, k] for c, k in zip(curves, at, strict=True))
    return Equal(STEPS, step, values, tuple(c.seeds for c in curves), step)


def _on_the_way(curve: Curve) -> Curve:
    """The points with as many prompts as the first."""
    accepted = metrics.of(curve.metric).accepted
    keep = [k for k, n in enumerate(curve.n) if accepted or n == curve.n[0]]
    return replace(
        curve,
        steps=curve.steps[keep],
        values=curve.values[:, keep],
        relative=curve.relative[:, keep],
        n=curve.n[keep],
        spent={k: v[:, keep] for k, v in curve.spent.items()},
        terms=tuple(tuple(row[k] for k in keep) for row in curve.terms),
    )
