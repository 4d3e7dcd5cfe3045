"""Whether records let a claim be judged at all.

A design whose conditioning gain does not exceed zero has not learned to read its prompt, and a score on the floor is
reached without reading it: comparing such a design says nothing of what was to be compared, however small p is.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ablations.analysis.claims.evidence import Evidence
from ablations.analysis.designs import Cell, floor_of
from ablations.analysis.statistics import interval
from headtohead.records import metrics
from headtohead.records.metrics import GAIN


def unassessable(e: Evidence) -> str:
    """Why a comparison cannot be judged; empty if it can.

    A design has to have a conditioning gain (over shuffled captions, at its last point), and each compared score has to
    exceed the highest score of pictures that ignore their prompts, both with the 95 % interval over seeds. Records
    without a gain are judged by their scores alone.
    """
    reasons = []
    for cell in e.used:
        if GAIN in cell.curves:
            mean, low, high = interval(cell.curves[GAIN].values[:, -1])
            if not low > 0:
                ends = "one seed" if np.isnan(low) else f"{low:.2g} to {high:.2g}"
                reasons.append(f"{cell.name} has no conditioning gain ({mean:.2g}; {ends})")
    for score in e.scores:
        floor, of = floor_of(score.cell.curves[score.metric]), metrics.of(score.metric)
        mean, low, _ = interval(score.values)
        if floor is not None and not low > floor:
            reach = f"{of.name} {of.text(float(mean))}, from {of.text(float(low))}"
            reasons.append(f"{score.cell.name} does not exceed the prompt-blind floor of {of.text(floor)} ({reach})")
    return "; ".join(reasons)


def without_gain(used: Iterable[Cell]) -> tuple[str, ...]:
    """Designs whose records hold no conditioning gain."""
    return tuple(cell.name for cell in used if GAIN not in cell.curves)
