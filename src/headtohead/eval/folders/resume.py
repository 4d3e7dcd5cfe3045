"""Resume an interrupted scoring of a folder: finished batches are kept in files beside the result.

A row is reused only if everything that it depends on is unchanged: the judge, its settings and the packages (first line
of the file), the prompt and the picture files (the row's own hash), and its own bytes (a checksum).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tqdm import tqdm

from headtohead.eval.folders.images import FolderError
from headtohead.utils import files
from headtohead.utils.cli import say

T = TypeVar("T")
Row = dict[str, Any]


@dataclass(frozen=True)
class How:
    """How a folder is scored: what a user chooses beside pictures and judges.

    batch   pictures at once
    out     file of the result; what is done is kept beside it, for an interrupted command to go on
    quiet   no progress bars
    device  on which judges take pictures
    """

    batch: int = 16
    out: Path | None = None
    quiet: bool = False
    device: str = "cpu"


def rows_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial.jsonl")


def features_beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial")


def writable(path: Path, flag: str) -> None:
    """Make the folder of a file and try to write there, before anything is computed for it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f"{path.name}.{os.getpid()}.part")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FolderError(f"{flag} {path}: cannot be written ({error.strerror})") from None


class Done:
    """Finished rows by id, in an append-only file.

    out   the result that they belong to; nothing is kept without one
    head  what all rows depend on
    of    by id: a hash of what the row depends on
    """

    def __init__(self, out: Path | None, head: Mapping[str, Any], of: Mapping[str, str]) -> None:
        self.rows: dict[str, Row] = {}
        self.path, self.of = rows_of(out) if out else None, of
        if not self.path:
            return
        first = json.dumps(head, sort_keys=True)
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        if lines and lines[0] != first.encode():
            say(f"eval: {self.path}: belongs to another judge, setting or folder; starting over")
        elif lines:
            self._take(lines[1:-1])  # the last one is empty, or was cut short
        self.path.write_text("".join(f"{text}\n" for text in (first, *map(self._line, self.rows.values()))))

    def _take(self, lines: Sequence[bytes]) -> None:
        for number, line in enumerate(lines, 2):
            try:
                told = json.loads(line)
                row, of, whole = told["row"], told["of"], told["sum"] == digest([told["of"], told["row"]])
            except (ValueError, TypeError, KeyError):
                whole = False
            if not whole:
                say(f"eval: {self.path}: line {number} is damaged; going on from the lines before it")
                return
            if self.of.get(row["id"]) == of:
                self.rows[row["id"]] = row

    def _line(self, row: Row) -> str:
        of = self.of[row["id"]]
        return json.dumps({"of": of, "row": row, "sum": digest([of, row])})

    def add(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        self.rows.update({row["id"]: row for row in rows})
        if self.path:
            with self.path.open("a") as f:
                f.write("".join(self._line(row) + "\n" for row in rows))


def one(_: Any) -> int:
    return 1


def batches(items: Iterable[T], most: int, size: Callable[[T], int] = one) -> Iterator[list[T]]:
    """Items in groups of about `most` pictures; `size` counts those of an item."""
    group: list[T] = []
    total = 0
    for item in items:
        group.append(item)
        total += size(item)
        if total >= most:
            yield group
            group, total = [], 0
    if group:
        yield group


def watched(
    groups: Iterable[list[T]], total: int, how: How, *, size: Callable[[T], int] = one, done: int = 0, doing: str = ""
) -> Iterator[list[T]]:
    """Groups, with a progress bar that counts pictures.

    total  pictures in all
    done   pictures finished before
    """
    with tqdm(total=total, initial=done, unit="picture", disable=how.quiet, desc=doing or None) as bar:
        for group in groups:
            yield group
            bar.update(sum(map(size, group)))


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


PORTION = 256  # pictures in a file
Array = NDArray[np.float64]


class FeaturesKept:
    """Features of pictures, kept in files; reused while the picture, the network and the packages are unchanged.

    folder  of the files; nothing is kept without one
    head    network and packages
    """

    def __init__(self, folder: Path | None, head: Any) -> None:
        self.rows: dict[str, tuple[Array, str]] = {}  # by the picture's stamp: features and the picture's size
        self.folder, self._head, self._new = folder, digest(head), list[str]()
        for path in sorted(folder.glob("*.safetensors")) if folder and folder.is_dir() else ():
            try:
                self._take(path)
            except (OSError, SafetensorError, ValueError, KeyError, TypeError):
                say(f"eval: {path}: is damaged or of other settings; its pictures are worked through again")
                path.unlink()

    def _take(self, path: Path) -> None:
        with safe_open(path, "np") as f:
            told = json.loads((f.metadata() or {})["headtohead"])
            features: Array = f.get_tensor("features")
        if told["head"] != self._head or told["sum"] != _sum(features):
            raise ValueError
        self.rows |= {stamp: (row, size) for (stamp, size), row in zip(told["pictures"], features, strict=True)}

    def add(self, stamp: str, features: Array, size: str) -> None:
        self.rows[stamp] = features, size
        self._new.append(stamp)
        if len(self._new) >= PORTION:
            self.flush()

    def flush(self) -> None:
        if not self.folder or not self._new:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        features = np.stack([self.rows[stamp][0] for stamp in self._new])
        told = {"head": self._head, "sum": _sum(features), "pictures": [(s, self.rows[s][1]) for s in self._new]}
        path = self.folder / f"{digest(self._new)}.safetensors"
        with files.beside(path) as part:
            save_file({"features": features}, part, metadata={"headtohead": json.dumps(told)})
        self._new = []


def _sum(features: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()


def forget(folder: Path) -> None:
    """Delete kept features, once the result is written."""
    for path in (*folder.glob("*.safetensors"), *folder.glob("*.part")):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
