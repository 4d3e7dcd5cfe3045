"""python -m ablations.plot results/: the curves of every sweep as figures, PNG and PDF. Reads records only."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ablations import figures, samples
from ablations.curves import Curve, read
from headtohead.command import Parser
from headtohead.records import Run
from headtohead.world.prompts import TASKS

# Without a date in them, the same records give the same files. Compressing PNGs less saves a tenth.
ENDINGS: dict[str, dict[str, Any]] = {
    "png": {"dpi": 130, "metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
    "pdf": {"dpi": 200, "metadata": {"CreationDate": None}},
}


def drawn(found: list[Run], curves: list[Curve]) -> dict[str, Figure]:
    """Every figure that the records have numbers or pictures for, by its file's name."""
    out: dict[str, Figure | None] = {
        "curves_steps": figures.curves(curves, "steps"),
        "curves_flops": figures.curves(curves, "flops"),
    }
    if any(c.metric == f"geneval/{task}" for c in curves for task in TASKS):
        out["tasks"] = figures.tasks(curves)
    if any(c.metric.startswith("loss/t=") for c in curves):
        out["losses"] = figures.losses(curves)
    sweeps = sorted({c.sweep for c in curves})
    for sweep in sweeps:
        out[named("samples", sweep, sweeps)] = samples.prompts(found, sweep)
        out[named("one_prompt", sweep, sweeps)] = samples.often(found, sweep)
    return {name: figure for name, figure in out.items() if figure}


def named(name: str, sweep: str, sweeps: Sequence[str]) -> str:
    """A figure of one sweep, by which its file is found: with the sweep's name where there are several."""
    return f"{name}_{sweep}" if len(sweeps) > 1 else name


def save(drawn: dict[str, Figure], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        for ending, how in ENDINGS.items():
            figure.savefig(folder / f"{name}.{ending}", **how)
    return [folder / f"{name}.png" for name in drawn]


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.plot", __doc__)
    parser.add_argument("results", type=Path, help="a results folder, a sweep's or a run's")
    parser.add_folder("--out", Path(), "where figures go; RESULTS/figures when not given")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: print(*save(drawn(*read(options.results)), folder(options)), sep="\n"), "stopped")


def folder(options: argparse.Namespace) -> Path:
    """Where a command's figures go."""
    out: Path = options.out
    return out if out != Path() else options.results / "figures"


if __name__ == "__main__":
    gc.disable()  # what is read stays until the command ends, soon
    sys.exit(main())
