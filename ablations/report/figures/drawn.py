"""All figures of a comparison by file name, and their files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ablations.analysis import sample_grids
from ablations.analysis.curves import Curve
from ablations.report.figures import by_time, scores
from headtohead.records import metrics
from headtohead.records.read import Run

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
        "curves_steps": scores.curves(measured, "steps"),
        "curves_flops": scores.curves(measured, "flops"),
        "gain": by_time.gain(measured),
        "losses": by_time.losses(measured),
    }
    if {m.key for m in metrics.group("task")} & {c.metric for c in measured}:
        out["tasks"] = scores.tasks(measured)
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
