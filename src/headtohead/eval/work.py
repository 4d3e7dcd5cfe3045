"""Scoring a folder, batch by batch, so that an interruption loses one batch: what is done is kept beside the result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
Row = dict[str, Any]


class Done:
    """Rows by id in an append-only file, of one judge, mode and folder; another's rows are not taken up."""

    def __init__(self, out: Path | None, belongs: dict[str, Any]) -> None:
        self.rows: dict[str, Row] = {}
        self.path = out.with_suffix(".partial.jsonl") if out else None
        self._head = json.dumps(belongs, sort_keys=True)
        if self.path and self.path.exists():
            lines = self.path.read_text().splitlines()
            if lines and lines[0] == self._head:
                for line in lines[1:]:
                    try:
                        row = json.loads(line)
                    except ValueError:
                        break  # cut short by a kill
                    self.rows[row["id"]] = row
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text("".join(f"{text}\n" for text in (self._head, *map(json.dumps, self.rows.values()))))

    def add(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        self.rows.update({row["id"]: row for row in rows})
        if self.path:
            with self.path.open("a") as f:
                f.write("".join(json.dumps(row) + "\n" for row in rows))

    def finish(self) -> None:
        if self.path:
            self.path.unlink(missing_ok=True)


def batches(items: Sequence[T], size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Items in groups of about so many pictures."""
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


def watched(groups: Iterable[list[T]], size: Callable[[T], int], total: int, quiet: bool) -> Iterator[list[T]]:
    """With a progress bar that counts pictures."""
    with tqdm(total=total, unit="picture", disable=quiet) as bar:
        for group in groups:
            yield group
            bar.update(sum(map(size, group)))


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
