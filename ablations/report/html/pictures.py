"""Sample grids of the report: the same prompts across designs at several steps, small enough to send by mail."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ablations.analysis.sample_grids import KINDS, MOST, grids, opened, shown, whole
from headtohead.records.read import Run

MOST_STEPS = 8
SIDE = 128  # largest side of an image in pixels; larger ones are scaled down
BUDGET = 4_000_000  # bytes of images of one kind in a sweep; fewer steps are shown if they exceed it


@dataclass(frozen=True)
class Grid:
    """One kind of images: a row for each prompt, a column for each design, `times` images in a cell."""

    kind: str
    prompts: list[str]
    designs: list[str]
    steps: list[int]
    times: int
    data: dict[str, Any]  # for the script: geometry, and by design and step an image of all prompts
    left_out: str


def of(found: list[Run], sweep: str) -> list[Grid]:
    return [grid for kind in KINDS if (grid := _grid(shown(found, sweep), kind))]


def _grid(own: dict[str, Run], kind: str) -> Grid | None:
    paths = {design: grids(run, kind) for design, run in own.items()}
    own = {design: run for design, run in own.items() if paths[design]}
    if not own:
        return None
    texts = next(iter(own.values())).state["shown"][kind]
    same = [design for design, run in own.items() if run.state["shown"][kind] == texts]
    designs, every = same[:MOST], sorted({step for design in same[:MOST] for step in paths[design]})
    tiles = len(texts) * KINDS[kind]
    read: dict[Path, str] = {}
    for count in range(min(MOST_STEPS, len(every)), 0, -1):
        steps = [every[round(k)] for k in np.linspace(0, len(every) - 1, count)] if count > 1 else every[-1:]
        chosen = {d: [paths[d].get(s) for s in steps] for d in designs}
        for design, row in chosen.items():
            for path in {p for p in row if p} - set(read):
                read[path] = whole(own[design], path, lambda path: _uri(path, tiles)) or ""
        pictures = {d: [read[p] if p else "" for p in row] for d, row in chosen.items()}
        if sum(len(uri) for row in pictures.values() for uri in row) <= BUDGET:
            break
    if not (sound := [path for path, uri in read.items() if uri]):
        return None
    columns, rows = _geometry(sound[0], tiles)
    data = {"columns": columns, "rows": rows, "times": KINDS[kind], "prompts": texts, "designs": designs,
            "steps": steps, "pictures": pictures}  # fmt: skip
    left = [f"{len(every) - len(steps)} of {len(every)} points"] if len(steps) < len(every) else []
    left += [f"{len(own) - len(designs)} of {len(own)} designs"] if len(designs) < len(own) else []
    return Grid(kind, texts, designs, steps, KINDS[kind], data, " and ".join(left))


def _geometry(path: Path, tiles: int) -> tuple[int, int]:
    with opened(path) as picture:
        side = round((picture.width * picture.height / tiles) ** 0.5)
        return picture.width // side, picture.height // side


def _uri(path: Path, tiles: int) -> str:
    """The grid file as a data URI, scaled down if its tiles are larger than SIDE.

    path   of the grid
    tiles  images in it
    """
    raw = path.read_bytes()
    with opened(path) as picture:
        side = (picture.width * picture.height / tiles) ** 0.5
        if side > SIDE:
            size = (round(picture.width * SIDE / side), round(picture.height * SIDE / side))
            out = io.BytesIO()
            picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(out, "webp", quality=85)
            raw = out.getvalue()
    return f"data:image/webp;base64,{base64.b64encode(raw).decode()}"
