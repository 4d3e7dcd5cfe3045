"""Draw the curves of every sweep as PNG and PDF; reads records only."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from ablations.analysis.curves import design_of, order, read
from ablations.cli.damage import conclude
from ablations.report.figures.drawn import drawn, folder, save
from headtohead.config.parsing import known
from headtohead.records.json_files import Damage
from headtohead.utils.cli import Parser


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.plot", __doc__)
    parser.add_argument("results", type=Path, help="a results folder, a sweep's or a run's")
    parser.add_argument("--design", nargs="+", metavar="DESIGN", help="some of the designs; all when not given")
    parser.add_folder("--out", Path(), "where figures go; RESULTS/figures when not given")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _plot(options), "stopped")


def _plot(options: argparse.Namespace) -> int:
    damage: Damage = {}
    runs, curves = read(options.results, damage)
    there = sorted({c.design for c in curves}, key=order)
    shown = {known(name, dict.fromkeys(there), "design", "--design") for name in options.design or there}
    figures = drawn([r for r in runs if design_of(r) in shown], [c for c in curves if c.design in shown])
    print(*save(figures, folder(options)), sep="\n")
    return conclude("plot", damage)


if __name__ == "__main__":
    gc.disable()  # faster: nothing is freed before the command ends
    sys.exit(main())
