"""Pictures on disk in the official layouts, with everything that is wrong with them named and counted.

GenEval     NNNNN/metadata.jsonl, NNNNN/samples/*.png
DPG-Bench   <item_id>.png, a grid of 2 x 2 or one picture
MJHQ-30k    <category>/<name>.jpg beside meta_data.json
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from headtohead.eval.dpg import Row

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
COLUMNS = ("item_id", "proposition_id", "dependency", "tuple", "question_natural_language")


class FolderError(ValueError):
    """A folder or file that cannot be scored at all."""


@dataclass
class Troubles:
    """What is missing or damaged, by its place; nothing is left out of a mean without standing here."""

    said: list[str] = field(default_factory=list)

    def add(self, place: Path | str, what: str) -> None:
        self.said.append(f"{place}: {what}")


@dataclass(frozen=True)
class Asked:
    """One prompt with the pictures that answer it."""

    id: str
    prompt: str
    pictures: tuple[Path, ...]
    line: dict[str, Any] = field(default_factory=dict)  # GenEval's
    rows: tuple[Row, ...] = ()  # DPG-Bench's


def picture(path: Path) -> Tensor:
    """(3, H, W) in [0, 1], upright; an error names the file."""
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise FolderError(f"{path}: is no picture ({' '.join(str(error).split())[:80]})") from None
    return pil_to_tensor(upright).float() / 255


def read(paths: Iterable[Path], troubles: Troubles) -> Iterator[tuple[Path, Tensor]]:
    """The pictures that can be read; the others are named."""
    for path in paths:
        try:
            yield path, picture(path)
        except FolderError as error:
            troubles.said.append(str(error))


def crops(grid: Tensor, tiles: int, place: Path | str) -> Tensor:
    """(4, 3, H/2, W/2) of a 2 x 2 grid, or the picture itself; a tile is a part of the picture, never a setting."""
    if tiles == 1:
        return grid[None]
    side = round(tiles**0.5)
    h, w = grid.shape[1:]
    if h % side or w % side:
        raise FolderError(f"{place}: {w} x {h} does not divide into {side} x {side} pictures")
    parts = grid.unflatten(1, (side, h // side)).unflatten(3, (side, w // side))
    return parts.permute(1, 3, 0, 2, 4).reshape(tiles, 3, h // side, w // side)


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise FolderError(f"--images {folder}: no such folder")
    return folder


def geneval(folder: Path, prompts: Sequence[dict[str, Any]] | None, troubles: Troubles) -> list[Asked]:
    """Every numbered folder with its metadata; with `prompts`, those whose folder is missing are named."""
    out, met = [], set()
    for own in sorted(p for p in _folder(folder).iterdir() if p.is_dir() and p.name.isdigit()):
        path = own / "metadata.jsonl"
        try:
            line = json.loads(path.read_text())
            if not {"tag", "prompt", "include"} <= set(line):
                raise TypeError("holds no tag, prompt and include")
        except OSError:
            troubles.add(path, "is missing")
            continue
        except (ValueError, TypeError) as error:
            troubles.add(path, f"is no line of GenEval's ({' '.join(str(error).split())[:80]})")
            continue
        met.add(line["prompt"])
        pictures = tuple(sorted(p for p in (own / "samples").glob("*.png") if re.fullmatch(r"\d+\.png", p.name)))
        if not pictures:
            troubles.add(own / "samples", "holds no pictures (0000.png, 0001.png, ...)")
            continue
        out.append(Asked(own.name, line["prompt"], pictures, line=line))
    for line in prompts or ():
        if line["prompt"] not in met:
            troubles.add(folder, f"no pictures of {line['prompt']!r}")
    return _some(out, folder, "numbered folders with metadata.jsonl and samples/", troubles)


def lines(path: Path) -> list[dict[str, Any]]:
    """GenEval's prompts, a JSON object a line."""
    out = []
    for number, text in enumerate(_text(path).splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError:
            raise FolderError(f"{path}: line {number} is no JSON") from None
        if not isinstance(line, dict) or not {"tag", "prompt", "include"} <= set(line):
            raise FolderError(f"{path}: line {number} holds no tag, prompt and include")
        out.append(line)
    return out


def questions(path: Path) -> dict[str, tuple[Row, ...]]:
    """DPG-Bench's questions by item, in the file's order."""
    rows = list(csv.DictReader(_text(path).splitlines(keepends=True)))
    if not rows or (missing := [c for c in COLUMNS if c not in rows[0]]):
        raise FolderError(f"{path}: no column {missing[0] if rows else COLUMNS[0]}")
    out: dict[str, list[Row]] = {}
    for number, row in enumerate(rows, 2):
        try:
            int(row["proposition_id"]), [int(p) for p in row["dependency"].split(",")]
        except (ValueError, AttributeError):
            raise FolderError(f"{path}: line {number}: proposition_id and dependency are no whole numbers") from None
        out.setdefault(row["item_id"], []).append(row)
    return {item: tuple(own) for item, own in out.items()}


def dpg(folder: Path, asked: dict[str, tuple[Row, ...]], troubles: Troubles) -> list[Asked]:
    """Each item's picture, by its file's name."""
    there = {p.name.split(".")[0]: p for p in sorted(_folder(folder).iterdir()) if p.suffix.lower() in ENDINGS}
    for name in sorted(set(there) - set(asked)):
        troubles.add(there[name], "answers no prompt")
    for item in asked:
        if item not in there:
            troubles.add(folder, f"no picture of {item}")
    found = [Asked(i, rows[0].get("text", ""), (there[i],), rows=rows) for i, rows in asked.items() if i in there]
    return _some(found, folder, "pictures named after items (item.png)", troubles)


def mjhq(folder: Path, names: dict[str, str] | None, troubles: Troubles) -> dict[str, list[Path]]:
    """Pictures by category: MJHQ-30k's folders, or any folder of pictures as one category."""
    found = {
        own.name: [p for p in sorted(own.iterdir()) if p.suffix.lower() in ENDINGS]
        for own in sorted(_folder(folder).iterdir())
        if own.is_dir()
    }
    flat = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in ENDINGS]
    out = {k: v for k, v in {**found, **({"": flat} if flat else {})}.items() if v}
    met = {p.stem for paths in out.values() for p in paths}
    for name in names or ():
        if name not in met:
            troubles.add(folder, f"no picture {name}")
    if not out:
        raise FolderError(f"--images {folder}: holds no pictures, nor folders of them")
    return out


def categories(path: Path) -> dict[str, str]:
    """meta_data.json of MJHQ-30k: the category of each name."""
    try:
        read = json.loads(_text(path))
        return {name: str(row["category"]) for name, row in read.items()}
    except (ValueError, AttributeError, TypeError, KeyError):
        raise FolderError(f"{path}: is no object of names with their category") from None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise FolderError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FolderError(f"{path}: is no text") from None


def _some(found: list[Asked], folder: Path, wanted: str, troubles: Troubles) -> list[Asked]:
    if not found:
        more = f"; {troubles.said[0]}" if troubles.said else ""
        raise FolderError(f"--images {folder}: holds no {wanted}{more}")
    return found


def stacked(pictures: list[Tensor]) -> list[tuple[list[int], Tensor]]:
    """Batches of pictures of one size, with where each stood."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for k, p in enumerate(pictures):
        sizes.setdefault(tuple(p.shape), []).append(k)
    return [(rows, torch.stack([pictures[k] for k in rows])) for rows in sizes.values()]
