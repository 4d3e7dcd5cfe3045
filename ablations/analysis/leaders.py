"""The leading design of a metric, if statistical tests decide it; the best mean alone is not enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ablations.analysis.statistics import SMALLEST, Difference, Numbers, Verdict, difference, judge, p_value
from headtohead.records.metrics import Metric

Scores = Mapping[str, Mapping[int, float]]  # of one metric, by design and seed


def leaders(columns: Sequence[tuple[Metric, Scores]]) -> list[str]:
    """For each metric, the design that is significantly better than all others; empty if none is.

    columns  metrics with the scores of the comparable designs

    The design with the best mean is compared with each other design, paired by seed. The largest p-value is multiplied
    by the number of designs, and corrected over the columns (Holm).
    """
    best = [_best(metric, scores) for metric, scores in columns]
    tested = [found[1] for found in best if found]
    verdicts = iter(judge(tested, [SMALLEST] * len(tested)))
    return [found[0] if found and next(verdicts).verdict is Verdict.SUPPORTED else "" for found in best]


def _best(metric: Metric, scores: Scores) -> tuple[str, Difference] | None:
    if len(scores) < 2:
        return None
    sign = 1 if metric.higher else -1
    first = max(scores, key=lambda design: sign * float(np.mean([*scores[design].values()])))
    rows = [_advantage(metric, scores[first], own) for design, own in scores.items() if design != first]
    if not all(map(len, rows)):  # no seed in common with some design
        return None
    least = difference(min(rows, key=np.mean))
    together = [np.stack([row for row in rows if len(row) == n]) for n in {len(row) for row in rows}]
    p = float(np.max(np.concatenate([p_value(block) for block in together])))
    return first, replace(least, p=min(1.0, p * len(scores)))


def _advantage(metric: Metric, one: Mapping[int, float], other: Mapping[int, float]) -> Numbers:
    """By how much the first design is better, over common seeds; in logarithms for metrics without a natural unit."""
    a, b = (np.array([own[seed] for seed in sorted({*one} & {*other})]) for own in (one, other))
    if metric.scale == "log":
        a, b = np.log(a), np.log(b)
    return np.asarray((a - b) * (1 if metric.higher else -1))
