"""The figures of a comparison, from curves: scores over steps and FLOPs, tasks, losses by time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablations.curves import PREFIXES, Curve, Numbers, order
from ablations.looks import Look, looks
from ablations.tables import lines
from headtohead.world.prompts import TASKS

# Figure 4 of the paper: two scores to raise, one distance to lower.
PANELS = (("geneval/overall", "GenEval"), ("dpg/overall", "DPG"), ("fid", "FID, lower is better"))
AXES = {"steps": "training steps", "flops": "training {}FLOPs of head and language model"}
GREY = "#777777"
MOST = 16  # designs of a sweep in a figure, the first ones: nobody can tell more apart


def line(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.marker, "ls": (0, look.dash) if look.dash else "-"}


def legible(found: list[Curve]) -> tuple[list[Curve], dict[str, str]]:
    """As many designs of each sweep as can be told apart, and the sweeps' names, which say when that is not all."""
    first, names = set(), {}
    for sweep in _sweeps(found):
        designs = sorted({c.design for c in found if c.sweep == sweep}, key=order)
        first |= {(sweep, design) for design in designs[:MOST]}
        names[sweep] = f"{sweep}, {MOST} of {len(designs)} designs" if len(designs) > MOST else sweep
    return [c for c in found if (c.sweep, c.design) in first], names


def _sweeps(found: list[Curve]) -> list[str]:
    return sorted({c.sweep for c in found})


def plain(ax: Axes) -> None:
    """Nothing but what is needed to read."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)
    ax.grid(alpha=0.2, lw=0.5)


def whiskers(values: Numbers) -> tuple[float, float]:
    """From the mean of seeds down to the least and up to the most of them; rounding must not turn either around."""
    return max(0.0, float(values.mean() - values.min())), max(0.0, float(values.max() - values.mean()))


def _bounds(ax: Axes, metric: str, representations: Iterable[str]) -> None:
    """The ceilings of what is compared and the floor of shuffled prompts, as thin lines with their names."""
    for name, value, floor in lines(metric, representations):
        ax.axhline(value, color=GREY, lw=0.9, ls=":" if floor else "--", zorder=1)
        ax.annotate(name, (0.01, value), xycoords=("axes fraction", "data"), fontsize=6.5, color=GREY, va="bottom")


def curves(found: list[Curve], x: str) -> Figure:
    """A row a sweep, a panel a metric, a line a design; the band spans the seeds."""
    found, names = legible(found)
    sweeps, look = list(names), looks(c.design for c in found)
    most = max(float(getattr(c, x)[-1]) for c in found)
    prefix = max((p for p, size in PREFIXES.items() if size <= most), key=PREFIXES.__getitem__, default="G")
    unit = PREFIXES[prefix] if "{}" in AXES[x] else 1
    figure = Figure(figsize=(11.5, 3.9 * len(sweeps)))
    grid = figure.subplots(len(sweeps), len(PANELS), squeeze=False)
    for row, sweep in zip(grid, sweeps, strict=True):
        for ax, (metric, title) in zip(row, PANELS, strict=True):
            shown = [c for c in found if (c.sweep, c.metric) == (sweep, metric)]
            for c in shown:
                at = getattr(c, x) / unit
                ax.plot(at, c.mean, **line(look[c.design]), ms=3.5, lw=1.6, label=c.design, zorder=3)
                if len(c.seeds) > 1:
                    low, high = c.values.min(0), c.values.max(0)
                    ax.fill_between(at, low, high, color=look[c.design].colour, alpha=0.16, lw=0, zorder=2)
            _bounds(ax, metric, (c.representation for c in shown))
            ax.set_title(title, fontsize=10.5, loc="left")
            ax.set_xlabel(AXES[x].format(prefix), fontsize=8.5)
            ax.set_xlim(left=0)
            if metric == "fid":
                ax.set_yscale("log")
            else:
                ax.set_ylim(0, 1.02)
            plain(ax)
        seeds = sorted({len(c.seeds) for c in found if c.sweep == sweep})
        many = "–".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
        row[0].set_ylabel(f"{names[sweep]} ({many} seed{'s' * (seeds != [1])} a design)", fontsize=9)
        # Below the panels, where it hides no curve.
        row[0].legend(fontsize=8, frameon=False, ncols=8, loc="upper left", bbox_to_anchor=(0, -0.16), borderpad=0)
    height = 3.9 * len(sweeps)
    figure.subplots_adjust(0.06, 0.72 / height, 0.99, 1 - 0.3 / height, wspace=0.2, hspace=0.42)
    return figure


def tasks(found: list[Curve]) -> Figure:
    """The last point's GenEval tasks as bars, a row a sweep; whiskers span the seeds."""
    found, names = legible(found)
    sweeps, look = list(names), looks(c.design for c in found)
    figure = Figure(figsize=(11.5, 3.1 * len(sweeps)))
    grid = figure.subplots(len(sweeps), 1, squeeze=False)
    for (ax,), sweep in zip(grid, sweeps, strict=True):
        own = {(c.design, c.metric): c for c in found if c.sweep == sweep}
        designs = sorted({design for design, _ in own}, key=order)
        width = 0.84 / len(designs)
        for k, design in enumerate(designs):
            bars = [own[design, f"geneval/{t}"].values[:, -1] for t in TASKS if (design, f"geneval/{t}") in own]
            if len(bars) < len(TASKS):
                continue
            at, mean = [t + k * width for t in range(len(TASKS))], [b.mean() for b in bars]
            spread = np.transpose([whiskers(b) for b in bars])
            ax.bar(at, mean, 0.92 * width, color=look[design].colour, yerr=spread, label=design,
                   error_kw={"lw": 0.8, "ecolor": "#333333"})  # fmt: skip
        ax.set_xticks([t + 0.42 - width / 2 for t in range(len(TASKS))], [t.replace("_", " ") for t in TASKS])
        ax.set_ylim(0, 1)
        ax.set_title(f"{names[sweep]}: GenEval by task at the last point", fontsize=10.5, loc="left")
        plain(ax)
        ax.grid(axis="x", visible=False)
        if ax.containers:
            ax.legend(fontsize=8, frameon=False, ncols=8, loc="upper left", bbox_to_anchor=(0, -0.1), borderpad=0)
    height = 3.1 * len(sweeps)
    figure.subplots_adjust(0.05, 0.55 / height, 0.99, 1 - 0.3 / height, hspace=0.5)
    return figure


def losses(found: list[Curve]) -> Figure:
    """The held-out loss of the last point by time, where the objective has times: where a flow is good and bad."""
    found, names = legible(found)
    sweeps, look = list(names), looks(c.design for c in found)
    figure = Figure(figsize=(5.6, 3.6 * len(sweeps)))
    grid = figure.subplots(len(sweeps), 1, squeeze=False)
    for (ax,), sweep in zip(grid, sweeps, strict=True):
        by: dict[str, list[tuple[float, float]]] = {}
        for c in found:
            if c.sweep == sweep and c.metric.startswith("loss/t="):
                by.setdefault(c.design, []).append((float(c.metric.split("=")[1]), float(c.mean[-1])))
        for design, points in by.items():
            ax.plot(*zip(*sorted(points), strict=True), **line(look[design]), ms=3.5, label=design)
        ax.set_title(f"{names[sweep]}: held-out flow loss by time", fontsize=10.5, loc="left")
        ax.set_xlabel("t, from noise (0) to data (1)", fontsize=8.5)
        plain(ax)
        if by:
            ax.legend(fontsize=8, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.16), borderpad=0)
    height = 3.6 * len(sweeps)
    figure.subplots_adjust(0.09, 0.9 / height, 0.98, 1 - 0.3 / height, hspace=0.6)
    return figure
