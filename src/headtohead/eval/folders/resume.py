"""Resume an interrupted scoring of a folder: finished batches are kept in files beside the result.

A row is reused only if nothing that it depends on has changed: the judge, its settings and the packages (the file's
first line), the prompt and the images (a hash in the row), and the row itself (a checksum).
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
    """Options of scoring.

    batch   images in a forward pass
    out     file of the result; finished batches are kept beside it
    quiet   no progress bars
    device  of the judges
    """

    batch: int = 16
    out: Path | None = None
    quiet: bool = False
    device: str = "cpu"


def rows_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial.jsonl")


def features_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial")


def writable(path: Path, flag: str) -> None:
    """Create the folder of a file and check that it can be written, before anything is computed.

    path  of the file
    flag  the option that names it, for errors
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f"{path.name}.{os.getpid()}.part")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FolderError(f"{flag} {path}: cannot be written ({error.strerror})") from None


class FinishedRows:
    """Rows of finished prompts by id, in an append-only file.

    out     file of the result; without one, rows stay in memory
    head    judge, settings and packages, on which all rows depend
    hashes  by id, of the prompt and images that the row depends on
    """

    def __init__(self, out: Path | None, head: Mapping[str, Any], hashes: Mapping[str, str]) -> None:
        self.rows: dict[str, Row] = {}
        self.path, self.hashes = rows_file(out) if out else None, hashes
        if not self.path:
            return
        first = json.dumps(head, sort_keys=True)
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        if lines and lines[0] != first.encode():
            say(f"eval: {self.path}: belongs to another judge, setting or folder; starting over")
        elif lines:
            self._load(lines[1:-1])  # the last one is empty or incomplete
        self.path.write_text("".join(f"{text}\n" for text in (first, *map(self._line, self.rows.values()))))

    def _load(self, lines: Sequence[bytes]) -> None:
        for number, line in enumerate(lines, 2):
            try:
                entry = json.loads(line)
                row, own, valid = entry["row"], entry["of"], entry["sum"] == digest([entry["of"], entry["row"]])
            except (ValueError, TypeError, KeyError):
                valid = False
            if not valid:
                say(f"eval: {self.path}: line {number} is damaged; going on from the lines before it")
                return
            if self.hashes.get(row["id"]) == own:
                self.rows[row["id"]] = row

    def _line(self, row: Row) -> str:
        own = self.hashes[row["id"]]
        return json.dumps({"of": own, "row": row, "sum": digest([own, row])})

    def add(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        self.rows.update({row["id"]: row for row in rows})
        if self.path:
            with self.path.open("a") as f:
                f.write("".join(self._line(row) + "\n" for row in rows))


def one(_: Any) -> int:
    return 1


def batches(items: Iterable[T], most: int, size: Callable[[T], int] = one) -> Iterator[list[T]]:
    """Group items.

    items  to be grouped
    most   images in a group; one item may exceed it
    size   number of images of an item
    """
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


def with_progress(
    groups: Iterable[list[T]], total: int, how: How, *, size: Callable[[T], int] = one, done: int = 0, doing: str = ""
) -> Iterator[list[T]]:
    """Yield groups while a progress bar counts their images.

    groups  of items
    total   number of images
    how     whether bars are shown
    size    number of images of an item
    done    images finished before
    doing   label of the bar
    """
    with tqdm(total=total, initial=done, unit="picture", disable=how.quiet, desc=doing or None) as bar:
        for group in groups:
            yield group
            bar.update(sum(map(size, group)))


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


FILE_SIZE = 256  # images whose features are in one file
Array = NDArray[np.float64]


class FeatureFiles:
    """Features of images in files, reused while the image, the network and the packages are unchanged.

    folder  of the files; without one, features stay in memory
    head    network and packages
    """

    def __init__(self, folder: Path | None, head: Any) -> None:
        self.rows: dict[str, tuple[Array, str]] = {}  # by the image's stamp: features and size
        self.folder, self._head, self._new = folder, digest(head), list[str]()
        for path in sorted(folder.glob("*.safetensors")) if folder and folder.is_dir() else ():
            try:
                self._load(path)
            except (OSError, SafetensorError, ValueError, KeyError, TypeError):
                say(f"eval: {path}: is damaged or of other settings; its pictures are worked through again")
                path.unlink()

    def _load(self, path: Path) -> None:
        with safe_open(path, "np") as f:
            about = json.loads((f.metadata() or {})["headtohead"])
            features: Array = f.get_tensor("features")
        if about["head"] != self._head or about["sum"] != _sum(features):
            raise ValueError
        self.rows |= {stamp: (row, size) for (stamp, size), row in zip(about["pictures"], features, strict=True)}

    def add(self, stamp: str, features: Array, size: str) -> None:
        self.rows[stamp] = features, size
        self._new.append(stamp)
        if len(self._new) >= FILE_SIZE:
            self.flush()

    def flush(self) -> None:
        if not self.folder or not self._new:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        features = np.stack([self.rows[stamp][0] for stamp in self._new])
        about = {"head": self._head, "sum": _sum(features), "pictures": [(s, self.rows[s][1]) for s in self._new]}
        path = self.folder / f"{digest(self._new)}.safetensors"
        with files.beside(path) as part:
            save_file({"features": features}, part, metadata={"headtohead": json.dumps(about)})
        self._new = []


def _sum(features: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()


def delete_features(folder: Path) -> None:
    """Delete kept features once the result is written."""
    for path in (*folder.glob("*.safetensors"), *folder.glob("*.part")):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
