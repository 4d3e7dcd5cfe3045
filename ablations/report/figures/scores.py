"""Figures of scores: over steps and FLOPs, and GenEval by task."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from ablations.analysis.curves import PREFIXES, Curve, order
from ablations.report.figures.layout import HEADING, Rows, bounds, legible, line, named_by_sweep, plain, whiskers
from ablations.report.styles import label, looks
from headtohead.records import metrics

AXES = {"steps": "training steps", "flops": "training {}FLOPs of head and language model"}


def curves(found: list[Curve], x: str) -> Figure:
    """A row for each sweep, a panel for each metric, a line for each design; the band spans the seeds.

    found  curves
    x      "steps" or "flops"
    """
    found, names = legible(found)
    look = looks(c.design for c in found)
    most = max(float(getattr(c, x)[-1]) for c in found)
    prefix = max((p for p, size in PREFIXES.items() if size <= most), key=PREFIXES.__getitem__, default="G")
    unit = PREFIXES[prefix] if "{}" in AXES[x] else 1
    panels = metrics.headline()
    rows = Rows(named_by_sweep(found, names), len(panels), 11.5, 2.9, 0.06)
    for k, (row, sweep) in enumerate(zip(rows.axes, names, strict=True)):
        for ax, metric in zip(row, panels, strict=True):
            shown = sorted(
                (c for c in found if (c.sweep, c.metric) == (sweep, metric.key)), key=lambda c: order(c.design)
            )
            for c in shown:
                at = getattr(c, x) / unit
                ax.plot(at, c.mean, **line(look[c.design]), ms=3.5, lw=1.6, label=label(c.design), zorder=3)
                if len(c.seeds) > 1:
                    low, high = c.values.min(0), c.values.max(0)
                    ax.fill_between(at, low, high, color=look[c.design].colour, alpha=0.16, lw=0, zorder=2)
            ax.set_title(metric.title or metric.name, **HEADING)
            ax.set_xlabel(AXES[x].format(prefix), fontsize=8.5)
            ax.set_xlim(left=0)
            if metric.scale == "log":
                ax.set_yscale("log")
                for axis in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
                    axis(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))  # 60, not 6 x 10^1
            elif metric.scale == "share":
                ax.set_ylim(0, 1.04)
            bounds(ax, metric.key, (c.representation for c in shown))
            plain(ax)
        seeds = sorted({len(c.seeds) for c in found if c.sweep == sweep})
        many = "–".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
        row[0].set_ylabel(f"{names[sweep]} ({many} seed{'s' * (seeds != [1])} a design)", fontsize=9)
        rows.names(k)
    return rows.figure


def tasks(found: list[Curve]) -> Figure:
    """GenEval by task at the last point as bars, a row for each sweep; whiskers span the seeds."""
    found, names = legible(found)
    look, parts = looks(c.design for c in found), metrics.group("task")
    rows = Rows(named_by_sweep(found, names), 1, 11.5, 2.3, 0.06)
    for row, ((ax,), sweep, designs) in enumerate(zip(rows.axes, names, rows.designs, strict=True)):
        own = {(c.design, c.metric): c for c in found if c.sweep == sweep}
        width = 0.84 / len(designs)
        for k, design in enumerate(designs):
            bars = [own[design, m.key].values[:, -1] for m in parts if (design, m.key) in own]
            if len(bars) < len(parts):
                continue
            at, mean = [t + k * width for t in range(len(parts))], [b.mean() for b in bars]
            spread = np.transpose([whiskers(b) for b in bars])
            ax.bar(at, mean, 0.92 * width, color=look[design].colour, yerr=spread, label=label(design), edgecolor="w",
                   linewidth=0, hatch=look[design].hatch, error_kw={"lw": 0.8, "ecolor": "#333333"})  # fmt: skip
        ax.set_xticks([t + 0.42 - width / 2 for t in range(len(parts))], [m.name for m in parts])
        ax.set_ylim(0, 1)
        ax.set_ylabel("share of right pictures", fontsize=8.5)
        ax.set_title(f"{names[sweep]}: GenEval by task at the last point", **HEADING)
        plain(ax)
        ax.grid(axis="x", visible=False)
        if ax.containers:
            rows.names(row)
    return rows.figure
