"""Ranges of bytes of many files, a bounded number of them open.

What a disk or the network does is not the data's fault: a read is tried again, and then ends the run.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from headtohead.data.shards import places
from headtohead.data.shards.places import ShardError

TRIES, PAUSE = 4, 2.0  # seconds before the second try, and twice as long before each next


class File:
    """On this machine an open file; elsewhere an address, since requests for ranges need nothing open."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.fs, self.path = places.resolve(address)
        self.descriptor: int | None = None
        if places.is_local(address):
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
    """What was opened last, so much and no more."""

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
    """All of them, far ones at once, since each alone would take the network's time; short where the file ends."""
    out: list[bytes | None] = [None] * len(ranges)
    far: dict[int, list[int]] = {}
    for k, r in enumerate(ranges):
        if r.file.descriptor is None:
            far.setdefault(id(r.file.fs), []).append(k)
        else:
            out[k] = _patiently(r.file.address, lambda r=r: [os.pread(r.file.descriptor, r.stop - r.start, r.start)])[0]  # type: ignore[misc]
    for members in far.values():
        asked = [ranges[k] for k in members]
        for k, data in zip(members, _patiently(asked[0].file.address, lambda a=asked: _far(a)), strict=True):  # type: ignore[misc]
            out[k] = data
    return [data for data in out if data is not None]


def _far(asked: Sequence[Range]) -> list[bytes]:
    found: list[Any] = asked[0].file.fs.cat_ranges(
        [r.file.path for r in asked], [r.start for r in asked], [r.stop for r in asked], on_error="raise"
    )
    return [bytes(data) for data in found]


def _patiently(address: str, ask: Callable[[], list[bytes]]) -> list[bytes]:
    for tried in range(TRIES):
        try:
            return ask()
        except Exception as error:  # each file system has its own kinds
            if tried == TRIES - 1 or isinstance(error, FileNotFoundError):
                raise ShardError(f"{address}: cannot be read ({' '.join(str(error).split())[:200]})") from None
        time.sleep(PAUSE * 2**tried)
    raise AssertionError("the last try answers or raises")
