"""Held-out loss and conditioning gain of the last point, by time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ablations.analysis.curves import Curve, Numbers
from headtohead.records.metrics import GAIN, LOSS_BY_TIME


class ByTime(NamedTuple):
    """Values of one design at its last point, by time t from noise (0) to data (1)."""

    t: tuple[float, ...]
    values: Numbers  # (seeds, times)
    n: int
    step: int


def losses_by_time(found: Iterable[Curve]) -> dict[str, ByTime]:
    """The held-out loss by design, for objectives that have times."""
    out: dict[str, dict[float, Curve]] = {}
    for c in found:
        if c.metric.startswith(LOSS_BY_TIME):
            out.setdefault(c.design, {})[float(c.metric.removeprefix(LOSS_BY_TIME))] = c
    return {design: _by_time(by, [c.values[:, -1] for _, c in sorted(by.items())]) for design, by in out.items()}


def gains_by_time(found: Iterable[Curve]) -> dict[str, ByTime]:
    """The conditioning gain by design, as a share of the loss with wrong captions.

    The loss of a regression is that of a flow at t = 0, where x_t holds nothing of x_1, and stands there.
    """
    by_design: dict[str, dict[str, Curve]] = {}
    for c in found:
        by_design.setdefault(c.design, {})[c.metric] = c
    out: dict[str, ByTime] = {}
    for design, own in by_design.items():
        parts = [(name.removeprefix(f"{GAIN}/"), c) for name, c in own.items() if name.startswith(f"{GAIN}/")]
        times = {float(part[2:]) if part.startswith("t=") else 0.0: part for part, _ in parts}
        if parts and len(times) == len(parts) and all(f"loss/{part}" in own for part in times.values()):
            curves = {t: own[f"{GAIN}/{part}"] for t, part in times.items()}
            values = [
                (gain := c.values[:, -1]) / (gain + own[f"loss/{times[t]}"].values[:, -1])
                for t, c in sorted(curves.items())
            ]
            out[design] = _by_time(curves, values)
    return out


def _by_time(by: dict[float, Curve], values: Sequence[Numbers]) -> ByTime:
    last = next(iter(by.values()))
    return ByTime(tuple(sorted(by)), np.stack(values, 1), int(last.n[-1]), int(last.steps[-1]))
