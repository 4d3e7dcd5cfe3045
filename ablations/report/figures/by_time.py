"""Figures of the held-out loss and of the conditioning gain: over steps, and by time at the last point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablations.analysis.curves import Curve, Numbers
from ablations.report.by_time import ByTime, gains_by_time, losses_by_time
from ablations.report.figures.layout import GREY, HEADING, Rows, legible, line, named_by_sweep, plain
from ablations.report.styles import Look, label, looks
from headtohead.records import metrics
from headtohead.records.metrics import GAIN_SHARE, LOSS_BY_TIME

TIME = "t, from noise (0) to data (1)"
ALPHA = 0.16  # of bands of intervals


def losses(found: list[Curve]) -> Figure | None:
    """The held-out loss of the last point by time, a row for each sweep; None without objectives that have times."""
    shown, names = legible(found)
    look, sweeps = looks(c.design for c in shown), sorted({c.sweep for c in shown if c.metric.startswith(LOSS_BY_TIME)})
    if not sweeps:
        return None
    rows = Rows(named_by_sweep([c for c in shown if c.metric.startswith(LOSS_BY_TIME)], sweeps), 1, 7.2, 2.7, 0.09)
    for row, ((ax,), sweep) in enumerate(zip(rows.axes, sweeps, strict=True)):
        _by_time(ax, losses_by_time([c for c in shown if c.sweep == sweep]), look)
        ax.set_title(f"{names[sweep]}: {metrics.METRICS[LOSS_BY_TIME].title.lower()}", **HEADING)
        ax.set_ylabel("mean squared error of the velocity", fontsize=8.5)
        rows.names(row)
    return rows.figure


def gain(found: list[Curve]) -> Figure | None:
    """The conditioning gain over steps and, at the last point, by time; a row for each sweep. Bands are 95 % intervals
    over seeds. None where the records hold no gain."""
    shown, names = legible(found)
    look, sweeps = looks(c.design for c in shown), sorted({c.sweep for c in shown if c.metric == GAIN_SHARE})
    if not sweeps:
        return None
    rows = Rows(named_by_sweep([c for c in shown if c.metric == GAIN_SHARE], sweeps), 2, 9.6, 2.9, 0.07)
    for row, ((left, right), sweep) in enumerate(zip(rows.axes, sweeps, strict=True)):
        own = [c for c in shown if c.sweep == sweep]
        for c in own:
            if c.metric == GAIN_SHARE:
                _drawn(left, c.design, c.steps, c.values, look)
        _by_time(right, gains_by_time(own), look)
        left.set_title(f"{names[sweep]}: conditioning gain", **HEADING)
        right.set_title("by time, at the last point; a regression at t = 0", **HEADING)
        left.set_xlabel("training steps", fontsize=8.5)
        left.set_ylabel("share of the loss with wrong captions", fontsize=8.5)
        for ax in (left, right):
            ax.axhline(0, color=GREY, lw=0.9, zorder=1)
            plain(ax)
        rows.names(row)
    return rows.figure


def _by_time(ax: Axes, by_design: dict[str, ByTime], look: dict[str, Look]) -> None:
    for design, own in by_design.items():
        _drawn(ax, design, own.t, own.values, look)
    ax.set_xlabel(TIME, fontsize=8.5)
    plain(ax)


def _drawn(ax: Axes, design: str, x: Sequence[float] | np.ndarray, values: Numbers, look: dict[str, Look]) -> None:
    """Mean over seeds, with the interval as a band, or as a bar where there is one point."""
    from ablations.analysis.statistics import interval  # imports scipy, which other figures do without

    mean, low, high = interval(values.T)
    ax.plot(x, mean, **line(look[design]), ms=3.5, lw=1.6, label=label(design), zorder=3)
    if len(x) == 1 and not np.isnan(low).any():
        ax.errorbar(x, mean, np.stack([mean - low, high - mean]), color=look[design].colour, lw=1, capsize=2, zorder=2)
    elif not np.isnan(low).any():
        ax.fill_between(x, low, high, color=look[design].colour, alpha=ALPHA, lw=0, zorder=2)
