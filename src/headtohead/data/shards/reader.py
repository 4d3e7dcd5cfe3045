"""Random access to the samples of a corpus, with a bounded number of open shards.

Every read begins at the member's tar header, which is checked again: bytes that have moved since they were indexed are
never taken for a picture.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from headtohead.data.shards import index, locations, tar
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.index import Index, Trouble
from headtohead.data.shards.locations import ShardError

BETWEEN = 1 << 16  # bytes between two members of a sample up to which both are read in one request


class Part(NamedTuple):
    """Offset and size of a member of a sample."""

    at: int
    size: int
    name: str  # picture, txt or json


@dataclass
class Found:
    """A sample that was read: bytes and member names by part (picture, txt, json)."""

    shard: str
    names: dict[str, str] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)


class Shard:
    """An open shard with its index."""

    def __init__(self, address: str, found: Index) -> None:
        self.index, self.file = found, File(address)

    def runs(self, row: int, names: Sequence[str]) -> list[list[Part]]:
        """The members of a sample that exist, grouped into those read by one request."""
        placed = [Part(*place, name) for name in names if (place := self.index.part(name, row))]
        out: list[list[Part]] = []
        for part in sorted(placed):
            if out and part.at - tar.BLOCK - _end(out[-1]) <= BETWEEN:
                out[-1].append(part)
            else:
                out.append([part])
        return out

    def close(self) -> None:
        self.file.close()


def _end(run: list[Part]) -> int:
    return run[-1].at + run[-1].size


class Reader:
    """Random access to a corpus with at most `most` open shards."""

    def __init__(self, corpus: Corpus, most: int) -> None:
        self.corpus = corpus
        self.shards = Recent(most, self._opened)

    def _opened(self, number: int) -> Shard:
        known = self.corpus.shards[number]
        found = index.load(known.shard, self.corpus.folder)
        index.current(found.summary, locations.stamp(known.shard))
        if found.summary.crc != known.crc:
            raise ShardError(f"{known.shard}: was indexed again since this run began")
        return Shard(known.shard, found)

    def fetch(self, wanted: Sequence[tuple[int, int]], names: Sequence[str]) -> list[Found | Trouble]:
        """Read samples; one that differs from its index is returned as a Trouble.

        wanted  shard and row of each
        names   parts to read: picture, txt, json
        """
        out: list[Found | Trouble] = [Found(self.corpus.shards[shard].shard) for shard, _ in wanted]
        # Sorted by shard, so that a batch never needs more than `most` of them open.
        order = sorted(range(len(wanted)), key=lambda k: wanted[k][0])
        far: list[tuple[int, list[Part], Range]] = []
        for k in order:
            shard = self.shards[wanted[k][0]]
            for run in shard.runs(wanted[k][1], names):
                range_ = Range(shard.file, run[0].at - tar.BLOCK, _end(run))
                if shard.file.descriptor is None:
                    far.append((k, run, range_))
                else:
                    out[k] = _taken(out[k], run, read([range_])[0])
        for (k, run, _), data in zip(far, read([range_ for *_, range_ in far]), strict=True):
            out[k] = _taken(out[k], run, data)
        return out

    def close(self) -> None:
        self.shards.close()


def _taken(found: Found | Trouble, run: list[Part], data: bytes) -> Found | Trouble:
    """Add the members of a run, whose bytes begin at the first one's header, to a sample."""
    if isinstance(found, Trouble):
        return found
    for part in run:
        begin = part.at - run[0].at + tar.BLOCK
        header = tar.header(data[begin - tar.BLOCK : begin])
        name = tar.shown(header.name) if header else f"byte {part.at}"
        if header is None or len(data) < begin + part.size or header.size not in (0, part.size):
            return Trouble(found.shard, name, "moved", "differs from its index: the shard has been damaged since")
        found.names[part.name], found.data[part.name] = name, data[begin : begin + part.size]
    return found


TRIES, PAUSE = 4, 2.0  # seconds before the second try, and twice as long before each next


class File:
    """A local file, which is open, or a remote address, for which range requests need no open file."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.fs, self.path = locations.resolve(address)
        self.descriptor: int | None = None
        if locations.is_local(address):
            try:
                self.descriptor = os.open(self.path, os.O_RDONLY)
            except OSError as error:
                raise ShardError(f"{address}: {error.strerror}") from None

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Range(NamedTuple):
    file: File
    start: int
    stop: int


class Closes(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closes)


class Recent(Generic[T]):
    """The `most` things that were used last, opened by `make` and closed when others take their place."""

    def __init__(self, most: int, make: Callable[[int], T]) -> None:
        self.most, self.make = most, make
        self.open: OrderedDict[int, T] = OrderedDict()

    def __getitem__(self, number: int) -> T:
        if number not in self.open:
            while len(self.open) >= self.most:
                self.open.popitem(last=False)[1].close()
            self.open[number] = self.make(number)
        self.open.move_to_end(number)
        return self.open[number]

    def close(self) -> None:
        while self.open:
            self.open.popitem()[1].close()


def read(ranges: Sequence[Range]) -> list[bytes]:
    """The bytes of each range, shorter where a file ends. Remote ranges are requested in parallel."""
    out: list[bytes | None] = [None] * len(ranges)
    far: dict[int, list[int]] = {}
    for k, r in enumerate(ranges):
        if r.file.descriptor is None:
            far.setdefault(id(r.file.fs), []).append(k)
        else:
            out[k] = _retried(r.file.address, lambda r=r: [os.pread(r.file.descriptor, r.stop - r.start, r.start)])[0]  # type: ignore[misc]
    for members in far.values():
        own = [ranges[k] for k in members]
        for k, data in zip(members, _retried(own[0].file.address, lambda a=own: _far(a)), strict=True):  # type: ignore[misc]
            out[k] = data
    return [data for data in out if data is not None]


def _far(ranges: Sequence[Range]) -> list[bytes]:
    found: list[Any] = ranges[0].file.fs.cat_ranges(
        [r.file.path for r in ranges], [r.start for r in ranges], [r.stop for r in ranges], on_error="raise"
    )
    return [bytes(data) for data in found]


def _retried(address: str, request: Callable[[], list[bytes]]) -> list[bytes]:
    for tried in range(TRIES):
        try:
            return request()
        except Exception as error:  # each file system has its own kinds
            if tried == TRIES - 1 or isinstance(error, FileNotFoundError):
                raise ShardError(f"{address}: cannot be read ({' '.join(str(error).split())[:200]})") from None
        time.sleep(PAUSE * 2**tried)
    raise AssertionError("the last try returns or raises")
