"""Read images and tables from files, and list what is missing or damaged."""

from __future__ import annotations

import csv
import hashlib
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from headtohead.utils.errors import InputError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


class FolderError(InputError):
    """Raised for a folder or file that cannot be scored."""


@dataclass
class Troubles:
    """Missing or damaged files, one line each; every picture that a mean leaves out is listed here."""

    lines: list[str] = field(default_factory=list)

    def add(self, place: Path | str, what: str) -> None:
        self.lines.append(f"{place}: {what}")


def picture(path: Path) -> Tensor:
    """Read an image as (3, H, W) in [0, 1], rotated as its EXIF data say; an error names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large images are read
            with Image.open(path) as opened:
                upright = _eight_bits(ImageOps.exif_transpose(opened)).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise FolderError(f"{path}: is not a picture ({short(error)})") from None
    return pil_to_tensor(upright).float() / 255


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits, where Pillow would clip it to white."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.float64) / 257).round().astype(np.uint8))


def read(paths: Iterable[Path], troubles: Troubles) -> Iterator[tuple[Path, Tensor]]:
    """Images that can be read, with their paths.

    paths     of images
    troubles  gets a line for each of the others
    """
    for path in paths:
        try:
            yield path, picture(path)
        except FolderError as error:
            troubles.lines.append(str(error))


def listed(folder: Path, troubles: Troubles) -> list[Path]:
    """The images of a folder.

    folder    of images
    troubles  gets a line for each image file of a format that is not read
    """
    out = []
    for path in sorted(folder.iterdir()):
        ending = path.suffix.lower()
        if ending in ENDINGS and path.is_file():
            out.append(path)
        elif ending in ENDINGS:
            troubles.add(path, "is a folder, not a picture")
        elif is_picture(path):
            troubles.add(path, f"is not read: pictures end in {', '.join(ENDINGS)}")
    return out


def is_picture(path: Path) -> bool:
    """Whether a file has the extension of an image format."""
    return path.suffix.lower() in Image.registered_extensions() and path.is_file()


def crops(grid: Tensor, tiles: int, place: Path | str) -> Tensor:
    """Cut a 2 x 2 grid into tiles (4, 3, H/2, W/2); a single image becomes (1, 3, H, W).

    grid   (3, H, W)
    tiles  in the grid: 4 or 1
    place  the file, for errors
    """
    if tiles == 1:
        return grid[None]
    side = round(tiles**0.5)
    h, w = grid.shape[1:]
    if h % side or w % side:
        raise FolderError(f"{place}: {w} x {h} does not divide into {side} x {side} pictures")
    parts = grid.unflatten(1, (side, h // side)).unflatten(3, (side, w // side))
    return parts.permute(1, 3, 0, 2, 4).reshape(tiles, 3, h // side, w // side)


def stacked(pictures: list[Tensor]) -> list[tuple[list[int], Tensor]]:
    """Batches of images of equal size, each with the indices of its images."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for k, p in enumerate(pictures):
        sizes.setdefault(tuple(p.shape), []).append(k)
    return [(rows, torch.stack([pictures[k] for k in rows])) for rows in sizes.values()]


def size(picture: Tensor) -> str:
    return f"{picture.shape[2]}x{picture.shape[1]}"


def stamp(path: Path) -> str:
    """Path, size and modification time of a file: changes when it is replaced, and is cheaper than a hash."""
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def content(path: Path) -> str:
    """A hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def short(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__


def text(path: Path, flag: str = "") -> str:
    """The content of a UTF-8 file, with or without a byte order mark.

    path  of the file
    flag  the option that names it, for errors
    """
    place = f"{flag} {path}".strip()
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FolderError(f"{place}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FolderError(f"{place}: is no text in UTF-8") from None


def table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a CSV file, each with its file and line for errors.

    path     of the file
    columns  which every row must fill
    """
    rows = csv.DictReader(io.StringIO(text(path), newline=""))
    try:
        if missing := [c for c in columns if c not in (rows.fieldnames or ())]:
            raise FolderError(f"{path}: no column {missing[0]}")
        for row in rows:
            place = f"{path}: line {rows.line_num}"
            if empty := [c for c in columns if not (row[c] or "").strip()]:
                raise FolderError(f"{place}: {empty[0]} is missing")
            if None in row:
                raise FolderError(f"{place}: holds more fields than there are columns")
            yield place, {name: value for name, value in row.items() if isinstance(value, str)}
    except csv.Error as error:
        raise FolderError(f"{path}: line {rows.line_num + 1}: {error}") from None
