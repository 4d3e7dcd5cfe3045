"""Which design leads, if that is decided: a mean that is merely the best of several is not named a winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ablations.analysis.statistics import SMALLEST, Difference, Verdict, difference, judge
from headtohead.records.metrics import Metric

Scores = Mapping[str, Mapping[int, float]]  # of one metric, by design and seed


def leaders(columns: Sequence[tuple[Metric, Scores]]) -> list[str]:
    """The design that is better than each of the others beyond chance, of each column; empty where none is.

    columns  metrics with the scores of the designs that compare

    The design with the best mean is compared with each other one, paired by seed; its least certain difference counts,
    times the number of designs among which it was chosen, and Holm's correction over the columns.
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
    parts = [_less(metric, scores[first], own) for design, own in scores.items() if design != first]
    least = min(parts, key=lambda d: d.effect)
    p = float(np.max([d.p for d in parts]))
    return first, replace(least, p=min(1.0, p * len(scores)))


def _less(metric: Metric, one: Mapping[int, float], other: Mapping[int, float]) -> Difference:
    """By how much the first is better, over the seeds of both: in logarithms where the metric has no natural unit."""
    a, b = (np.array([own[seed] for seed in sorted({*one} & {*other})]) for own in (one, other))
    if metric.scale == "log":
        a, b = np.log(a), np.log(b)
    return difference((a - b) * (1 if metric.higher else -1))
