"""Pictures to look at, put together from the grids that runs keep: the same prompts across designs, and one prompt
several times a design."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ablations.curves import design_of, order
from headtohead.records import GRIDS, Run

Pictures = NDArray[np.uint8]


def shown(found: list[Run], sweep: str) -> dict[str, Run]:
    """One run a design: the finished one with the smallest seed."""
    out: dict[str, Run] = {}
    for run in sorted(found, key=lambda r: (order(design_of(r)), r.config.get("seed", 0))):
        if run.sweep == sweep and run.state["state"] == "finished" and "shown" in run.state:
            out.setdefault(design_of(run), run)
    return out


def last_grid(run: Run, kind: str) -> Path | None:
    paths = sorted((run.folder / GRIDS).glob(f"*-{kind}.webp"))
    return paths[-1] if paths else None


def tiles(path: Path, number: int) -> list[Pictures]:
    """The square pictures of a grid without margins, row by row."""
    whole = np.asarray(Image.open(path).convert("RGB"))
    side = round((whole.shape[0] * whole.shape[1] / number) ** 0.5)
    rows, columns = whole.shape[0] // side, whole.shape[1] // side
    return [whole[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(rows) for c in range(columns)]


def _table(columns: list[str], rows: list[str], cells: list[list[Pictures]], size: float, gap: int) -> Figure:
    """Pictures in a table; `gap` puts air after every so many columns."""
    left, top, width = 1.9, 0.3, len(cells[0]) * size + (len(cells[0]) // gap - 1) * 0.12
    figure = Figure(figsize=(left + width + 0.05, top + len(rows) * size + 0.05))
    w, h = figure.get_size_inches()
    for r, line in enumerate(cells):
        y = 1 - (top + (r + 1) * size) / h
        label = "\n".join(textwrap.wrap(rows[r], 26))
        figure.text((left - 0.1) / w, y + size / 2 / h, label, ha="right", va="center", fontsize=7.5)
        for c, picture in enumerate(line):
            x = left + c * size + (c // gap) * 0.12
            ax = figure.add_axes((x / w, y, size * 0.96 / w, size * 0.96 / h))
            ax.imshow(picture, interpolation="nearest")
            ax.axis("off")
    for c, title in enumerate(columns):
        x = left + c * (gap * size + 0.12) + gap * size / 2
        figure.text(x / w, 1 - top * 0.6 / h, title, ha="center", va="center", fontsize=8.5, weight="bold")
    return figure


def prompts(found: list[Run], sweep: str) -> Figure | None:
    """A row a prompt, a column a design: what the last point paints."""
    return _compare(found, sweep, "prompts", 1, 0.78)


def often(found: list[Run], sweep: str) -> Figure | None:
    """A row a prompt, several pictures a design: how much they differ."""
    return _compare(found, sweep, "often", 4, 0.5)


def _compare(found: list[Run], sweep: str, kind: str, times: int, size: float) -> Figure | None:
    own = {d: (r, path) for d, r in shown(found, sweep).items() if (path := last_grid(r, kind))}
    if not own:
        return None
    texts = next(iter(own.values()))[0].state["shown"][kind]
    same = {d: path for d, (r, path) in own.items() if r.state["shown"][kind] == texts}
    parts = [tiles(path, len(texts) * times) for path in same.values()]
    cells = [[p for part in parts for p in part[k * times : (k + 1) * times]] for k in range(len(texts))]
    return _table(list(same), texts, cells, size, times)
