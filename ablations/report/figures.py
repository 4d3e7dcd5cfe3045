"""Figures of a comparison: scores over steps and FLOPs, GenEval tasks, loss by time, sample grids."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ablations.analysis import sample_grids
from ablations.analysis.curves import PREFIXES, Curve, Numbers, order
from ablations.report.styles import Look, looks
from headtohead.records import ceilings, metrics
from headtohead.records.metrics import LOSS_BY_TIME
from headtohead.records.read import Run

HEADING: dict[str, Any] = {"fontsize": 10.5, "loc": "left", "y": 1.0}  # a fixed y saves a tenth of the drawing time
AXES = {"steps": "training steps", "flops": "training {}FLOPs of head and language model"}
GREY = "#777777"
TITLE, LABEL, LINE = 0.3, 0.46, 0.17  # inches: above a panel, below it, height of a line of its legend
LETTER, SAMPLE = 0.06, 0.5  # inches: width of a letter in a legend, width of line sample and margins
MOST = 16  # designs of a sweep in a figure; more could not be distinguished


def line(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.marker, "ls": (0, look.dash) if look.dash else "-"}


def legible(found: list[Curve]) -> tuple[list[Curve], dict[str, str]]:
    """Curves of the first designs of each sweep, and the sweeps' names with a note where designs are left out."""
    first, names = set(), {}
    for sweep in _sweeps(found):
        designs = sorted({c.design for c in found if c.sweep == sweep}, key=order)
        first |= {(sweep, design) for design in designs[:MOST]}
        names[sweep] = f"{sweep}, {MOST} of {len(designs)} designs" if len(designs) > MOST else sweep
    return [c for c in found if (c.sweep, c.design) in first], names


def _sweeps(found: list[Curve]) -> list[str]:
    return sorted({c.sweep for c in found})


def plain(ax: Axes) -> None:
    """Remove the upper and right border, and draw a light grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)
    ax.grid(alpha=0.2, lw=0.5)


def whiskers(values: Numbers) -> tuple[float, float]:
    """Distances from the mean of seeds to their minimum and maximum; at least 0 despite rounding."""
    return max(0.0, float(values.mean() - values.min())), max(0.0, float(values.max() - values.mean()))


class Rows:
    """A figure with a row of panels for each sweep, and the legend below the row, where it hides no curve.

    designs  names by row
    across   panels in a row
    wide     width of the figure in inches
    panel    height of a panel in inches
    left     left margin as a share of the width
    """

    def __init__(self, designs: Sequence[Sequence[str]], across: int, wide: float, panel: float, left: float) -> None:
        self.designs, self.panel, room = designs, panel, wide * (0.99 - left)
        self.columns = [next(k for k in range(len(names), 0, -1) if k == 1 or _wide(names, k) <= room)
                        for names in designs]  # fmt: skip
        below = LABEL + LINE * max(ceil(len(names) / k) for names, k in zip(designs, self.columns, strict=True)) + 0.05
        high = len(designs) * (TITLE + panel + below)
        self.figure = Figure(figsize=(wide, high))
        self.axes = self.figure.subplots(len(designs), across, squeeze=False)
        self.figure.subplots_adjust(
            left, below / high, 0.99, 1 - TITLE / high, wspace=0.2, hspace=(TITLE + below) / panel
        )

    def names(self, row: int) -> None:
        self.axes[row][0].legend(fontsize=8, frameon=False, ncols=self.columns[row], loc="upper left",
                                 bbox_to_anchor=(0, -LABEL / self.panel), borderpad=0, borderaxespad=0)  # fmt: skip


def _wide(names: Sequence[str], columns: int) -> float:
    """Width of a legend in inches; it is filled column by column."""
    deep = ceil(len(names) / columns)
    return sum(SAMPLE + LETTER * max(map(len, names[k : k + deep])) for k in range(0, len(names), deep))


def _named(found: list[Curve], sweeps: Iterable[str]) -> list[list[str]]:
    return [sorted({c.design for c in found if c.sweep == sweep}, key=order) for sweep in sweeps]


def _bounds(ax: Axes, metric: str, representations: Iterable[str]) -> None:
    """Draw the ceilings of the representations and the floor of shuffled prompts as thin, named lines."""
    shown = ceilings.bounds(metric, representations)
    tops = [value for _, value, floor in shown if not floor]
    for name, value, floor in shown:
        ax.axhline(value, color=GREY, lw=0.9, ls=":" if floor else "--", zorder=1)
        below = metrics.of(metric).higher and value == min(tops) < max(tops)  # names of two ceilings must not overlap
        how: dict[str, Any] = {
            "va": "top" if below else "bottom",
            "path_effects": [withStroke(linewidth=2, foreground="w")],
        }
        ax.annotate(name, (0.01, value), None, ("axes fraction", "data"), fontsize=6.5, color=GREY, zorder=4, **how)


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
    rows = Rows(_named(found, names), len(panels), 11.5, 2.9, 0.06)
    for k, (row, sweep) in enumerate(zip(rows.axes, names, strict=True)):
        for ax, metric in zip(row, panels, strict=True):
            shown = sorted(
                (c for c in found if (c.sweep, c.metric) == (sweep, metric.key)), key=lambda c: order(c.design)
            )
            for c in shown:
                at = getattr(c, x) / unit
                ax.plot(at, c.mean, **line(look[c.design]), ms=3.5, lw=1.6, label=c.design, zorder=3)
                if len(c.seeds) > 1:
                    low, high = c.values.min(0), c.values.max(0)
                    ax.fill_between(at, low, high, color=look[c.design].colour, alpha=0.16, lw=0, zorder=2)
            _bounds(ax, metric.key, (c.representation for c in shown))
            ax.set_title(metric.title or metric.name, **HEADING)
            ax.set_xlabel(AXES[x].format(prefix), fontsize=8.5)
            ax.set_xlim(left=0)
            if metric.scale == "log":
                ax.set_yscale("log")
            elif metric.scale == "share":
                ax.set_ylim(0, 1.04)
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
    rows = Rows(_named(found, names), 1, 11.5, 2.3, 0.06)
    for row, ((ax,), sweep, designs) in enumerate(zip(rows.axes, names, rows.designs, strict=True)):
        own = {(c.design, c.metric): c for c in found if c.sweep == sweep}
        width = 0.84 / len(designs)
        for k, design in enumerate(designs):
            bars = [own[design, m.key].values[:, -1] for m in parts if (design, m.key) in own]
            if len(bars) < len(parts):
                continue
            at, mean = [t + k * width for t in range(len(parts))], [b.mean() for b in bars]
            spread = np.transpose([whiskers(b) for b in bars])
            ax.bar(at, mean, 0.92 * width, color=look[design].colour, yerr=spread, label=design, edgecolor="w",
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


def losses(found: list[Curve]) -> Figure:
    """The held-out loss of the last point by time, for objectives that have times."""
    found, names = legible(found)
    look = looks(c.design for c in found)
    found = [c for c in found if c.metric.startswith(LOSS_BY_TIME)]
    names = {sweep: names[sweep] for sweep in _sweeps(found)}
    rows = Rows(_named(found, names), 1, 7.2, 2.7, 0.09)
    for row, ((ax,), sweep, designs) in enumerate(zip(rows.axes, names, rows.designs, strict=True)):
        for design in designs:
            own = [c for c in found if (c.sweep, c.design) == (sweep, design)]
            points = sorted((float(c.metric.removeprefix(LOSS_BY_TIME)), float(c.mean[-1])) for c in own)
            ax.plot(*zip(*points, strict=True), **line(look[design]), ms=3.5, label=design)
        ax.set_title(f"{names[sweep]}: {metrics.METRICS[LOSS_BY_TIME].title.lower()}", **HEADING)
        ax.set_xlabel("t, from noise (0) to data (1)", fontsize=8.5)
        ax.set_ylabel("mean squared error of the velocity", fontsize=8.5)
        plain(ax)
        rows.names(row)
    return rows.figure


# No dates in the files, so that equal records give equal files. Weaker PNG compression saves a tenth of the time.
ENDINGS: dict[str, dict[str, Any]] = {
    "png": {"dpi": 130, "metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
    "pdf": {"dpi": 200, "metadata": {"CreationDate": None}},
}


def drawn(found: list[Run], measured: list[Curve]) -> dict[str, Figure]:
    """All figures that can be drawn, by file name.

    found     runs
    measured  their curves
    """
    out: dict[str, Figure | None] = {
        "curves_steps": curves(measured, "steps"),
        "curves_flops": curves(measured, "flops"),
    }
    if {m.key for m in metrics.group("task")} & {c.metric for c in measured}:
        out["tasks"] = tasks(measured)
    if any(c.metric.startswith(LOSS_BY_TIME) for c in measured):
        out["losses"] = losses(measured)
    sweeps = sorted({c.sweep for c in measured})
    for sweep in sweeps:
        out[named("samples", sweep, sweeps)] = sample_grids.prompts(found, sweep)
        out[named("one_prompt", sweep, sweeps)] = sample_grids.often(found, sweep)
    return {name: figure for name, figure in out.items() if figure}


def named(name: str, sweep: str, sweeps: Sequence[str]) -> str:
    """The file name of a figure of one sweep.

    name    of the figure
    sweep   its name, which is appended if there are several
    sweeps  all names
    """
    return f"{name}_{sweep}" if len(sweeps) > 1 else name


def save(figures: dict[str, Figure], folder: Path) -> list[Path]:
    """Write figures, given by file name, as PNG and PDF; returns the PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        for ending, how in ENDINGS.items():
            figure.savefig(folder / f"{name}.{ending}", **how)
    return [folder / f"{name}.png" for name in figures]


def folder(options: argparse.Namespace) -> Path:
    """The folder of a command's figures: --out, or RESULTS/figures."""
    out: Path = options.out
    return out if out != Path() else options.results / "figures"
