"""Samples of a corpus at random, from a bounded number of open shards.

A read begins at a member's tar header, which is checked again: bytes that moved since they were indexed are never taken
for a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headtohead.data.shards import index, places, ranges, tar
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.index import Index, Trouble
from headtohead.data.shards.places import ShardError
from headtohead.data.shards.ranges import File, Range, Recent

BETWEEN = 1 << 16  # bytes between two parts of a sample that are read along rather than asked for separately


class Part(NamedTuple):
    at: int
    size: int
    name: str  # picture, txt or json


@dataclass
class Found:
    """The bytes of a sample by part, and the names of its members."""

    shard: str
    names: dict[str, str] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)


class Shard:
    """An open shard with its index."""

    def __init__(self, address: str, found: Index) -> None:
        self.index, self.file = found, File(address)

    def runs(self, row: int, names: Sequence[str]) -> list[list[Part]]:
        """The parts of a sample that are there, those that lie together in one run."""
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
    """A corpus read at random; at most so many of its shards are open at a time."""

    def __init__(self, corpus: Corpus, most: int) -> None:
        self.corpus = corpus
        self.shards = Recent(most, self._opened)

    def _opened(self, number: int) -> Shard:
        known = self.corpus.shards[number]
        found = index.load(known.shard, self.corpus.folder)
        index.current(found.summary, places.stamp(known.shard))
        if found.summary.crc != known.crc:
            raise ShardError(f"{known.shard}: was indexed anew since this run began")
        return Shard(known.shard, found)

    def fetch(self, wanted: Sequence[tuple[int, int]], names: Sequence[str]) -> list[Found | Trouble]:
        """The named parts of samples by shard and row; a sample that is not what its index says is a trouble."""
        out: list[Found | Trouble] = [Found(self.corpus.shards[shard].shard) for shard, _ in wanted]
        # Shard by shard, so that a batch never needs more of them open than there may be.
        order = sorted(range(len(wanted)), key=lambda k: wanted[k][0])
        far: list[tuple[int, list[Part], Range]] = []
        for k in order:
            shard = self.shards[wanted[k][0]]
            for run in shard.runs(wanted[k][1], names):
                asked = Range(shard.file, run[0].at - tar.BLOCK, _end(run))
                if shard.file.descriptor is None:
                    far.append((k, run, asked))
                else:
                    out[k] = _taken(out[k], run, ranges.read([asked])[0])
        for (k, run, _), data in zip(far, ranges.read([asked for *_, asked in far]), strict=True):
            out[k] = _taken(out[k], run, data)
        return out

    def close(self) -> None:
        self.shards.close()


def _taken(found: Found | Trouble, run: list[Part], data: bytes) -> Found | Trouble:
    if isinstance(found, Trouble):
        return found
    for part in run:
        begin = part.at - run[0].at + tar.BLOCK
        header = tar.header(data[begin - tar.BLOCK : begin])
        name = tar.shown(header.name) if header else f"byte {part.at}"
        if header is None or len(data) < begin + part.size or header.size not in (0, part.size):
            return Trouble(found.shard, name, "moved", "is not what its index says: the shard was damaged since")
        found.names[part.name], found.data[part.name] = name, data[begin : begin + part.size]
    return found
