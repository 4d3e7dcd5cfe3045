"""The curves of every sweep as figures, PNG and PDF. Reads records only."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from ablations.analysis.curves import read
from ablations.report.figures import drawn, folder, save
from headtohead.utils.cli import Parser


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.plot", __doc__)
    parser.add_argument("results", type=Path, help="a results folder, a sweep's or a run's")
    parser.add_folder("--out", Path(), "where figures go; RESULTS/figures when not given")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: print(*save(drawn(*read(options.results)), folder(options)), sep="\n"), "stopped")


if __name__ == "__main__":
    gc.disable()  # what is read stays until the command ends, soon
    sys.exit(main())
