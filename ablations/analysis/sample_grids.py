"""Figures of sample images from the grids of runs: equal prompts across designs, and several images of one prompt."""

from __future__ import annotations

import contextlib
import os
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ablations.analysis.curves import design_of, order
from headtohead.records.json_files import RecordError
from headtohead.records.layout import GRIDS
from headtohead.records.read import Run

Pictures = NDArray[np.uint8]
T = TypeVar("T")
MOST = 12  # designs in one figure; with more, images are too small
FINE = 256  # pixels; images of at least this side are drawn two inches wide
SHORT, LINES = 26, 6.0  # letters in a line of text beside images; lines of text in an inch
KINDS = {"prompts": 1, "often": 4}  # images of each prompt, by kind of grid


def shown(found: list[Run], sweep: str) -> dict[str, Run]:
    """For each design of a sweep, the finished run with the smallest seed.

    found  runs
    sweep  its name
    """
    out: dict[str, Run] = {}
    for run in sorted(found, key=lambda r: (order(design_of(r)), r.config.get("seed", 0))):
        if run.sweep == sweep and run.state["state"] == "finished" and "shown" in run.state:
            out.setdefault(design_of(run), run)
    return out


def grids(run: Run, kind: str) -> dict[int, Path]:
    """Grid files by step, in ascending order.

    run   of the grids
    kind  one of KINDS
    """
    folder = run.folder / GRIDS
    names = sorted(os.listdir(folder)) if folder.is_dir() else ()
    return {int(name.split("-")[0]): folder / name for name in names if re.fullmatch(rf"[0-9]+-{kind}\.webp", name)}


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; raises RecordError if it is damaged."""
    try:
        with Image.open(path) as whole:
            whole.load()
            yield whole
    except (OSError, SyntaxError):  # PIL's errors for damaged files
        raise RecordError(f"{path}: is not a whole picture; without the file the rest is shown") from None


def whole(run: Run, path: Path, read: Callable[[Path], T]) -> T | None:
    """`read(path)`, or None if the image is damaged, which is then noted in `run.damage`.

    run   of the image
    path  of the image
    read  reads it
    """
    try:
        return read(path)
    except RecordError:
        if run.damage is None:
            raise
        run.damage[path] = "is not a whole picture, and is left out"
        return None


def tiles(path: Path, number: int) -> list[Pictures]:
    """The square images of a grid without margins, row by row.

    path    of the grid
    number  of images in it
    """
    with opened(path) as picture:
        whole = np.asarray(picture.convert("RGB"))
    side = round((whole.shape[0] * whole.shape[1] / number) ** 0.5)
    rows, columns = whole.shape[0] // side, whole.shape[1] // side
    return [whole[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(rows) for c in range(columns)]


def side_by_side(texts: Sequence[str], by: Mapping[str, Sequence[Pictures]], times: int = 1) -> Figure:
    """A row for each prompt and a column for each design.

    texts  prompts
    by     images by design, in the order of the prompts
    times  images of each prompt, one after another
    """
    cells = [[p for own in by.values() for p in own[k * times : (k + 1) * times]] for k in range(len(texts))]
    size = max(0.82, min(cells[0][0].shape[0], FINE) / FINE * 2)
    long = max(map(len, texts), default=0)
    wide = next((w for w in range(SHORT, 80, 6) if long <= w * size * LINES), 80)
    rows = ["\n".join(textwrap.wrap(text, wide)) for text in texts]
    return _table([broken(d, int(15 * times * size)) for d in by], rows, cells, size, times, 0.33 + 0.06 * wide)


def _table(
    columns: list[str], rows: list[str], cells: list[list[Pictures]], size: float, gap: int, left: float = 1.9
) -> Figure:
    """Draw a table of images as one image, since hundreds of axes are slow.

    columns  titles of columns
    rows     titles of rows
    cells    images by row
    size     side of an image in inches
    gap      number of columns between two gaps
    left     width of the row titles in inches
    """
    side = cells[0][0].shape[0]
    top = 0.16 + 0.14 * max(title.count("\n") + 1 for title in columns)
    edge, air = max(1, side // 25), round(0.12 / size * side)
    pitch = side + edge
    block = gap * pitch + air
    # RGBA, since matplotlib converts RGB images to RGBA in double precision.
    sheet = np.full((len(rows) * pitch - edge, len(columns) * block - air - edge, 4), 255, np.uint8)
    for r, line in enumerate(cells):
        for c, picture in enumerate(line):
            x = c // gap * block + c % gap * pitch
            sheet[r * pitch : r * pitch + side, x : x + side, :3] = picture
    inch = size / pitch
    high, wide = sheet.shape[0] * inch, sheet.shape[1] * inch
    figure = Figure(figsize=(left + wide + 0.05, top + high + 0.05))
    w, h = figure.get_size_inches()
    ax = figure.add_axes((left / w, 0.05 / h, wide / w, high / h))
    ax.imshow(sheet, interpolation="none", aspect="auto")  # the PDF then contains the original pixels
    ax.axis("off")
    for r, row in enumerate(rows):
        y = 1 - (top + (r * pitch + side / 2) * inch) / h
        figure.text((left - 0.1) / w, y, row, ha="right", va="center", fontsize=7.5, parse_math=False)
    for c, title in enumerate(columns):
        x = left + (c * block + (gap * pitch - edge) / 2) * inch
        figure.text(x / w, 1 - (top - 0.07) / h, title, ha="center", va="bottom", fontsize=7.5, weight="bold",
                    linespacing=1.1, parse_math=False)  # fmt: skip
    return figure


def prompts(found: list[Run], sweep: str) -> Figure | None:
    """Images of the last point: a row for each prompt, a column for each design."""
    if not (parts := _last(found, sweep, "prompts")):
        return None
    return side_by_side(*parts)


def often(found: list[Run], sweep: str) -> Figure | None:
    """Several images of each prompt at the last point: a row for each design."""
    if not (parts := _last(found, sweep, "often")):
        return None
    texts, by = parts
    columns = ["\n".join(textwrap.wrap(text, SHORT)) for text in texts]
    return _table(columns, [broken(d, 28) for d in by], [*by.values()], 0.5, KINDS["often"])


def _last(found: list[Run], sweep: str, kind: str) -> tuple[list[str], dict[str, list[Pictures]]] | None:
    """Prompts, and by design their images at the last point."""
    own = {d: (r, list(paths.values())[-1]) for d, r in shown(found, sweep).items() if (paths := grids(r, kind))}
    if not own:
        return None
    texts = next(iter(own.values()))[0].state["shown"][kind]
    same = dict([(d, of) for d, of in own.items() if of[0].state["shown"][kind] == texts][:MOST])
    cut = {d: whole(run, path, lambda path: tiles(path, len(texts) * KINDS[kind])) for d, (run, path) in same.items()}
    return (texts, {d: pictures for d, pictures in cut.items() if pictures}) if any(cut.values()) else None


def broken(name: str, wide: int) -> str:
    """Break a design's name into lines, before `+`, `.` or `=`.

    name  of the design
    wide  letters in a line, if possible
    """
    lines = [""]
    for part in re.split(r"(?=[+.=])", name):
        if lines[-1] and len(lines[-1]) + len(part) > wide:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
