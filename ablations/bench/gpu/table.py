"""The README's table of measured GPUs: one row for each and design, from the files of results/bench."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablations.bench.gpu.lines import DESIGNS
from headtohead.utils import files

BEGIN, END = "<!-- bench-gpu: written by `make bench-gpu` -->", "<!-- bench-gpu: end -->"
HEADING = """\
| training step, random weights | `single`, cached features | `paper`, cached features | `paper`, live encoders |
|---|--:|--:|--:|
"""
COLUMNS = (("single", "cached features"), ("paper", "cached features"), ("paper", "live encoders"))
Rows = list[dict[str, Any]]


def write(readme: Path, folder: Path) -> bool:
    """Write the table between its marks, where there are figures and marks; returns whether it did.

    readme  file with the marks
    folder  of files such as training-h100.json
    """
    rows = "".join(_rows(folder))
    page = readme.read_text() if readme.exists() else ""
    if not rows or BEGIN not in page or END not in page:
        return False
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    files.whole(readme, f"{before}{BEGIN}\n{HEADING}{rows}{END}{after}".encode())
    return True


def _rows(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("training-*.json")):
        gpu = path.stem.removeprefix("training-")
        if gpu == "cpu" or gpu.endswith("-tiny"):
            continue
        rows: Rows = json.loads(path.read_text())["rows"]
        for design in DESIGNS:
            cells = [_cell(fastest(rows, f"{scale} {design}: training step, {what},")) for scale, what in COLUMNS]
            if any(cells):
                yield f"| {gpu.upper()}, `{design}` | {' | '.join(cell or 'not measured' for cell in cells)} |\n"


def fastest(rows: Rows, part: str) -> dict[str, Any]:
    """The row with the most pictures a second among those whose part begins so; empty where there is none."""
    own = [row for row in rows if row["part"].startswith(part) and "pictures/s" in row]
    return max(own, key=lambda row: float(row["pictures/s"]), default={})


def _cell(row: dict[str, Any]) -> str:
    """Pictures a second with the plan's, share of the measured peak, memory with the plan's; empty without a row."""
    if not row:
        return ""
    rate, memory = _number(row["pictures/s"]), f"{row['peak MB'] / 1024:.0f}"
    if "planned pictures/s" in row:
        rate, memory = (
            f"{rate} (plan {_number(row['planned pictures/s'])})",
            f"{memory} ({row['planned MB'] / 1024:.0f})",
        )
    share = f", {row['share of peak']:.0%}" if "share of peak" in row else ""
    return f"{rate} pictures/s{share}, {memory} GiB"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
