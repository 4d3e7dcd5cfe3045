"""A corpus: shards whose indices have been checked, with their samples numbered by shard and row."""

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
    """Shards in order, by the summaries of their indices; an index itself is read when its shard is opened.

    folder  of the indices; empty: beside the shards
    """

    name: str
    shards: tuple[Summary, ...]
    folder: str = ""

    @property
    def counts(self) -> list[int]:
        return [s.samples for s in self.shards]

    @property
    def samples(self) -> int:
        return sum(self.counts)

    @property
    def fingerprint(self) -> str:
        """Hash of the content, independent of where the shards lie."""
        held = [(s.shard.rsplit("/", 1)[-1], s.stamp.size, s.samples, s.crc) for s in self.shards]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:16]


def opened(name: str, data: Sequence[str], folder: str = "", max_damaged: float = 1.0) -> Corpus:
    """Open a corpus; raises when an index is missing or outdated, or when too much is damaged.

    data         folders, globs, brace patterns or addresses
    folder       of the indices; empty: beside the shards
    max_damaged  share of samples that may be damaged
    """
    found = locations.shards(data)
    with ThreadPoolExecutor(AT_ONCE) as threads:  # in parallel: remote file systems answer slowly
        summaries = list(threads.map(lambda shard: _summary(shard, folder), found))
    report = Report(summaries, folder)
    if report.share > max_damaged:  # the error names the first problem
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
    """The corpus's problems by shard and member, for a run's record."""
    return Report(list(corpus.shards), corpus.folder, said=list(index.troubles(list(corpus.shards), corpus.folder)))
