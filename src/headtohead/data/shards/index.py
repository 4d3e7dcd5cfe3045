"""The index of a shard: offset and size of each sample's picture and captions, and the problems of damaged ones.

24 bytes a sample: two offsets and two sizes (36 where a sample has text and JSON). It holds the shard's size and
modification mark, so that a changed shard is detected before it is read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from headtohead.data.shards import locations
from headtohead.data.shards.locations import ShardError, Stamp

VERSION = 1
FIELDS = ("samples", "troubles", "crc", "cut", "verified")
SUMMARY = 1 << 14  # bytes at the beginning of an index that hold its summary
PARTS = ("picture", "txt", "json")
AGAIN = "make index DATA=... makes it again"


class Trouble(NamedTuple):
    """A problem of a shard: its member, a kind for counting, and a message (`told`, as records on disk call it)."""

    shard: str
    member: str
    kind: str
    told: str

    def __str__(self) -> str:
        return f"{self.shard}: {self.member}: {self.told}"


@dataclass(frozen=True)
class Summary:
    """The head of a shard's index."""

    shard: str
    stamp: Stamp
    samples: int
    troubles: int
    crc: int  # of offsets and sizes: identifies the samples
    cut: bool = False  # the shard ends too early: how many samples it lost is unknown
    verified: bool = False  # every picture was decoded once


@dataclass(frozen=True)
class Index:
    """A shard's index, read whole."""

    summary: Summary
    columns: dict[str, NDArray[Any]]  # picture_at, picture_size; txt_ and json_ where there are such members
    troubles: list[Trouble]

    def part(self, name: str, row: int) -> tuple[int, int] | None:
        """Offset and size of a member of a sample; None where it has none.

        name  one of PARTS
        """
        if f"{name}_at" not in self.columns:
            return None
        size = int(self.columns[f"{name}_size"][row])
        return (int(self.columns[f"{name}_at"][row]), size) if size else None


def columns_of(rows: list[dict[str, tuple[int, int]]]) -> dict[str, NDArray[Any]]:
    """An index's columns from (offset, size) by part of each sample."""
    out: dict[str, NDArray[Any]] = {}
    for part in PARTS:
        if part == "picture" or any(part in row for row in rows):
            found = [row.get(part, (0, 0)) for row in rows]
            out[f"{part}_at"] = np.array([at for at, _ in found], np.int64)
            out[f"{part}_size"] = np.array([size for _, size in found], np.uint32)
    return out


def checksum(columns: dict[str, NDArray[Any]]) -> int:
    crc = 0
    for name in sorted(columns):
        crc = zlib.crc32(np.ascontiguousarray(columns[name]).tobytes(), zlib.crc32(name.encode(), crc))
    return crc


def packed(index: Index) -> bytes:
    """The file of an index: safetensors, with the summary in its metadata."""
    problems = json.dumps([t[1:] for t in index.troubles]).encode()
    s = index.summary
    own = {name: getattr(s, name) for name in FIELDS}
    about = {"version": VERSION, "size": s.stamp.size, "mark": s.stamp.mark, **own}
    arrays = {**index.columns, "troubles": np.frombuffer(problems, np.uint8)}
    return save_arrays(arrays, metadata={"headtohead": json.dumps(about)})  # one entry: several have no fixed order


def summary(shard: str, folder: str = "") -> Summary | None:
    """The summary of a shard's index; None without an index."""
    place = locations.index_of(shard, folder)
    head = locations.read(place, 0, SUMMARY)
    return None if head is None else _summary(shard, place, head)


def _summary(shard: str, place: str, head: bytes) -> Summary:
    try:
        length = int.from_bytes(head[:8], "little")
        about = json.loads(json.loads(head[8 : 8 + length])["__metadata__"]["headtohead"])
        found = Summary(shard, Stamp(about["size"], about["mark"]), **{name: about[name] for name in FIELDS})
    except (ValueError, KeyError, TypeError):
        raise _damaged(place) from None
    if about.get("version") != VERSION:
        raise ShardError(f"{place}: is an index of another version; {AGAIN}")
    return found


def _damaged(place: str) -> ShardError:
    return ShardError(f"{place}: is damaged or no index; {AGAIN}")


def load(shard: str, folder: str = "") -> Index:
    """A shard's index, checked against its checksum."""
    place = locations.index_of(shard, folder)
    data = locations.read(place)
    if data is None:
        raise ShardError(f"{shard}: has no index ({place}); {AGAIN}")
    about = _summary(shard, place, data[:SUMMARY])
    try:
        columns = load_arrays(data)
        problems = json.loads(columns.pop("troubles").tobytes())
    except (SafetensorError, KeyError, ValueError):
        raise _damaged(place) from None
    if checksum(columns) != about.crc or any(len(column) != about.samples for column in columns.values()):
        raise _damaged(place)
    return Index(about, columns, [Trouble(shard, *row) for row in problems])


def current(found: Summary, now: Stamp) -> Summary:
    """The summary; raises when its shard has changed since it was indexed."""
    if found.stamp != now:
        what = f"{found.stamp.size:,} bytes then, {now.size:,} now" if found.stamp.size != now.size else "written since"
        raise ShardError(f"{found.shard}: has changed since its index was made ({what}); {AGAIN}")
    return found


def troubles(summaries: list[Summary], folder: str = "") -> Iterator[Trouble]:
    """Every problem, from the indices of the shards that have some."""
    for s in summaries:
        if s.troubles:
            yield from load(s.shard, folder).troubles
