"""The README's table of measured GPUs: one row for each, scale and design, from the files of results/bench."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablations.bench.gpu.lines import SWEEP
from headtohead.utils import files

BEGIN, END = "<!-- bench-gpu: written by `make bench-gpu` -->", "<!-- bench-gpu: end -->"
HEADING = """\
| training, random weights | pictures/s, cached (plan) | of bf16 peak | GiB (plan) | pictures/s, live encoders (plan) |
|---|--:|--:|--:|--:|
"""
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
        for scale, design in sorted(SWEEP):
            own = [row for row in rows if row["part"].startswith(f"{scale} {design}: training step")]
            cached, live = (fastest(own, ", cached features,"), fastest(own, ", live encoders,"))
            if not cached:
                continue
            cells = (
                f"{gpu.upper()}, `{scale}` `{design}`",
                _rate(cached),
                _share(cached),
                _memory(cached),
                _rate(live),
            )
            yield f"| {' | '.join(cells)} |\n"


def fastest(rows: Rows, what: str) -> dict[str, Any]:
    """The row with the most pictures a second among those whose part says `what`; empty where there is none."""
    return max((row for row in rows if what in row["part"] and "pictures/s" in row),
               key=lambda row: float(row["pictures/s"]), default={})  # fmt: skip


def _rate(row: dict[str, Any]) -> str:
    if not row:
        return "not measured"
    plan = f" ({row['planned pictures/s']:.3g})" if "planned pictures/s" in row else ""
    return f"{row['pictures/s']:.3g}{plan}"


def _share(row: dict[str, Any]) -> str:
    return f"{row['share of peak']:.0%}" if "share of peak" in row else "not measured"


def _memory(row: dict[str, Any]) -> str:
    plan = f" ({row['planned MB'] / 1024:.0f})" if "planned MB" in row else ""
    return f"{row['peak MB'] / 1024:.0f}{plan}"
