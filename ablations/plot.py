"""python -m ablations.plot results/: the curves of every sweep as figures, PNG and PDF. Reads records only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablations.command import Parser
from ablations.curves import Curve, bounds, curves
from headtohead.records import RecordError
from headtohead.world.prompts import TASKS

# The figure 4 of the paper: two scores to raise, one distance to lower.
PANELS = (("geneval/overall", "GenEval", True), ("dpg/overall", "DPG", True), ("fid", "FID", False))
COLOURS = ("#4269d0", "#ff725c", "#3ca951", "#a463f2", "#efb118", "#6cc5b0", "#9c6b4e", "#97bbf5")
AXES = {"steps": "training steps", "flops": "training FLOPs (head and language model)"}


def _colours(designs: list[str]) -> dict[str, str]:
    return {design: COLOURS[k % len(COLOURS)] for k, design in enumerate(designs)}


def _line(ax: Axes, curve: Curve, x: str, colour: str) -> None:
    at = getattr(curve, x)
    seeds = len(curve.values)
    ax.plot(at, curve.mean, color=colour, marker="o", ms=3, lw=1.6, label=f"{curve.design} ({seeds})")
    if seeds > 1:
        ax.fill_between(at, curve.values.min(0), curve.values.max(0), color=colour, alpha=0.18, lw=0)


def _limits(ax: Axes, metric: str, limits: dict[str, dict[str, Any]]) -> None:
    """Ceilings and the floor of shuffled prompts, as thin lines with their names."""
    for name, style, label in (
        ("vae", ":", "VAE ceiling"),
        ("clip", "--", "CLIP ceiling"),
        ("shuffled prompts", "-.", "shuffled prompts"),
    ):
        if name in limits:
            row = limits[name]
            value = row["fid"] if metric == "fid" else row["dpg" if metric.startswith("dpg") else "overall"]
            value = value["overall"] if isinstance(value, dict) else value
            ax.axhline(value, color="#888888", lw=0.8, ls=style, zorder=0)
            ax.annotate(label, (1, value), xycoords=("axes fraction", "data"), fontsize=6, color="#666666",
                        ha="right", va="bottom")  # fmt: skip


def figure_curves(found: list[Curve], x: str) -> Figure:
    """A row a sweep, a panel a metric, a line a design with the range of its seeds."""
    sweeps = sorted({c.sweep for c in found})
    colours, limits = _colours(sorted({c.design for c in found})), bounds()
    figure, axes = plt.subplots(len(sweeps), 3, figsize=(12, 3.6 * len(sweeps)), squeeze=False)
    for row, sweep in zip(axes, sweeps, strict=True):
        for ax, (metric, title, up) in zip(row, PANELS, strict=True):
            for curve in (c for c in found if c.sweep == sweep and c.metric == metric):
                _line(ax, curve, x, colours[curve.design])
            _limits(ax, metric, limits)
            ax.set_title(f"{title} {'↑' if up else '↓'}", fontsize=10, loc="left")
            ax.set_xlabel(AXES[x], fontsize=8)
            ax.grid(alpha=0.25, lw=0.5)
            ax.spines[["top", "right"]].set_visible(False)
            if not up:
                ax.set_yscale("log")
        row[0].set_ylabel(sweep, fontsize=9)
        row[0].legend(fontsize=7, frameon=False, title="design (seeds)", title_fontsize=7)
    figure.tight_layout()
    return figure


def figure_tasks(found: list[Curve]) -> Figure:
    """The last point's GenEval tasks as bars, a row a sweep; whiskers span the seeds."""
    sweeps = sorted({c.sweep for c in found})
    colours = _colours(sorted({c.design for c in found}))
    figure, axes = plt.subplots(len(sweeps), 1, figsize=(10, 2.8 * len(sweeps)), squeeze=False)
    for (ax,), sweep in zip(axes, sweeps, strict=True):
        designs = sorted({c.design for c in found if c.sweep == sweep})
        width = 0.8 / len(designs)
        for k, design in enumerate(designs):
            for t, task in enumerate(TASKS):
                for c in found:
                    if (c.sweep, c.design, c.metric) == (sweep, design, f"geneval/{task}"):
                        last = c.values[:, -1]
                        spread = [[last.mean() - last.min()], [last.max() - last.mean()]]
                        ax.bar(t + k * width, last.mean(), width, color=colours[design], yerr=spread, ecolor="#444444",
                               error_kw={"lw": 0.8}, label=design if t == 0 else None)  # fmt: skip
        ax.set_xticks([t + 0.4 - width / 2 for t in range(len(TASKS))], TASKS, fontsize=8)
        ax.set_ylim(0, 1)
        ax.set_title(f"{sweep}: GenEval by task at the last point", fontsize=10, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=7, frameon=False, ncols=4)
    figure.tight_layout()
    return figure


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.plot", __doc__)
    parser.add_argument("results", type=Path, help="a results folder, a sweep's or a run's")
    parser.add_folder("--out", Path(), "where figures go; RESULTS/figures when not given")
    options = parser.parse_args(arguments)
    try:
        found = curves(options.results)
        if not found:
            raise RecordError(f"{options.results}: its runs have no points yet")
    except RecordError as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    out = options.out if options.out != Path() else options.results / "figures"
    out.mkdir(parents=True, exist_ok=True)
    figures = {
        "curves_steps": figure_curves(found, "steps"),
        "curves_flops": figure_curves(found, "flops"),
        "tasks": figure_tasks(found),
    }
    for name, figure in figures.items():
        for ending in ("png", "pdf"):
            figure.savefig(out / f"{name}.{ending}", dpi=150)
        plt.close(figure)
        print(out / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
