"""Small shards for the tests of headtohead.data.shards: sound ones, and damage at a known place."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from headtohead.data import mixture
from headtohead.data.shards.build_index import build

BLOCK = 512


def picture(number: int, width: int = 24, height: int = 16, kind: str = "jpeg", more: int = 0) -> bytes:
    """Flat, in a colour that tells its number after it was decoded; no two take as many bytes."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour(number)).save(out, kind, quality=95, comment="x" * (number + more))
    return out.getvalue()


def colour(number: int) -> tuple[int, int, int]:
    return (number % 6) * 50, (number // 6 % 6) * 50, (number // 36 % 6) * 50


def number_of(pixels: np.ndarray) -> int:
    """The number of a picture of (H, W, 3), up to 216."""
    r, g, b = (round(float(c) / 50) for c in pixels.reshape(-1, 3).mean(0))
    return r + 6 * g + 36 * b


def told(number: int) -> str:
    """A caption, of another length than others."""
    return f"number {number}, told at length" + "." * number


def members(numbers: Iterable[int], more: int = 0) -> list[tuple[str, bytes]]:
    """Of these numbers; pictures take so many bytes more."""
    out = []
    for n in numbers:
        out += [(f"{n:06d}.jpg", picture(n, more=more)), (f"{n:06d}.txt", told(n).encode())]
    return out


def write(path: Path, parts: Iterable[tuple[str, bytes]], kind: int = tarfile.USTAR_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as tar:
        for name, data in parts:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def sound(folder: Path, shards: int, each: int, first: int = 0) -> list[str]:
    """Shards of `each` samples, numbered through."""
    return [
        str(write(folder / f"{s:05d}.tar", members(range(first + s * each, first + (s + 1) * each))))
        for s in range(shards)
    ]


def told_twice(folder: Path, shards: int, each: int) -> list[str]:
    """With a short caption in JSON beside the text."""
    out = []
    for s in range(shards):
        parts = []
        for n in range(s * each, (s + 1) * each):
            short = json.dumps({"short": f"number {n}", "other": 1}).encode()
            parts += [*members([n]), (f"{n:06d}.json", short)]
        out.append(str(write(folder / f"{s:05d}.tar", parts)))
    return out


def header_of(path: Path, member: str) -> int:
    with tarfile.open(path) as tar:
        return tar.getmember(member).offset


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as f:
        f.seek(at)
        f.write(data)


def mix(folder: Path) -> mixture.Mix:
    """Two corpora of 45 and 8 samples, indexed."""
    build(sound(folder / "large", 5, 9))
    build(sound(folder / "small", 2, 4, first=100))
    corpora = {"large": {"data": f"{folder}/large"}, "small": {"data": f"{folder}/small"}}
    return mixture.opened(mixture.mix({"corpora": corpora, "block": 2, "size": 8}))
