"""Shards with their indices as one numbered corpus: checked before anything is spent on them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from headtohead.data.shards import index, locations
from headtohead.data.shards.build_index import AT_ONCE, Report
from headtohead.data.shards.index import AGAIN, Summary
from headtohead.data.shards.locations import ShardError


@dataclass(frozen=True)
class Corpus:
    """Samples by shard and row. Small: indices are read where and when a shard is."""

    name: str
    shards: tuple[Summary, ...]
    folder: str = ""  # of the indices

    @property
    def counts(self) -> list[int]:
        return [s.samples for s in self.shards]

    @property
    def samples(self) -> int:
        return sum(self.counts)

    @property
    def fingerprint(self) -> str:
        """Of what it holds, wherever it lies."""
        held = [(s.shard.rsplit("/", 1)[-1], s.stamp.size, s.samples, s.crc) for s in self.shards]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:16]


def opened(name: str, data: Sequence[str], folder: str = "", max_damaged: float = 1.0) -> Corpus:
    """A corpus whose indices are all there, of these very shards, and not too damaged."""
    found = locations.shards(data)
    with ThreadPoolExecutor(AT_ONCE) as threads:  # far shards are asked for at once: each answer takes a while
        summaries = list(threads.map(lambda shard: _summary(shard, folder), found))
    report = Report(summaries, folder)
    if report.share > max_damaged:  # only then is it worth to read which
        report.said = list(index.troubles(summaries, folder))
    report.check(max_damaged)
    return Corpus(name, tuple(summaries), folder)


def _summary(shard: str, folder: str) -> Summary:
    now = locations.stamp(shard)
    found = index.summary(shard, folder)
    if found is None:
        raise ShardError(f"{shard}: has no index ({locations.index_of(shard, folder)}); {AGAIN}")
    return index.current(found, now)


def report(corpus: Corpus) -> Report:
    """With every trouble by shard and member, for a run's record."""
    return Report(list(corpus.shards), corpus.folder, said=list(index.troubles(list(corpus.shards), corpus.folder)))
