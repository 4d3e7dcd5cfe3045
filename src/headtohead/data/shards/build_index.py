"""Index many shards with several processes, skipping those whose index is up to date."""

from __future__ import annotations

import os
import signal
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from headtohead.data.shards import index, locations, members
from headtohead.data.shards.index import Summary, Trouble
from headtohead.data.shards.locations import ShardError
from headtohead.utils.processes import processes

MAX_DAMAGED = 0.01
AT_ONCE = 16  # shards whose size and index are read in parallel


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class Report:
    """What the indices of a corpus hold.

    summaries  one per shard
    folder     of the indices; empty: beside the shards
    made       shards that were indexed by this call
    said       every problem, by shard and member
    """

    summaries: list[Summary]
    folder: str = ""
    made: int = 0
    said: list[Trouble] = field(default_factory=list)

    @property
    def samples(self) -> int:
        return sum(s.samples for s in self.summaries)

    @property
    def lost(self) -> int:
        """Damaged samples. A shard that ends too early is assumed to have had as many as the median of the others."""
        whole = [s.samples for s in self.summaries if not s.cut]
        usual = statistics.median(whole) if whole else 0
        short = sum(max(0, round(usual) - s.samples - s.troubles) for s in self.summaries if s.cut)
        return sum(s.troubles for s in self.summaries) + short

    @property
    def share(self) -> float:
        return self.lost / max(1, self.samples + self.lost)

    def plain(self) -> dict[str, Any]:
        """For a run's record: counts, and every problem by shard and member."""
        return {
            "shards": len(self.summaries),
            "samples": self.samples,
            "lost": self.lost,
            "kinds": dict(Counter(t.kind for t in self.said)),
            "troubles": [t._asdict() for t in self.said],
        }

    def check(self, most: float) -> None:
        """Raise when more than the share `most` is damaged."""
        if not self.samples:
            raise ShardError(f"{_where(self.summaries)}: no sound sample{self._first()}")
        if self.share > most:
            raise ShardError(
                f"{_where(self.summaries)}: {self.lost:,} of {self.samples + self.lost:,} samples are damaged or lost, "
                f"{self.share:.2%} where {most:.2%} may be (max_damaged){self._first()}"
            )

    def _first(self) -> str:
        return f"; first: {self.said[0]}" if self.said else ""


def _where(summaries: Sequence[Summary]) -> str:
    return summaries[0].shard if len(summaries) == 1 else f"{summaries[0].shard} and {len(summaries) - 1} more"


def build(
    shards: Sequence[str], folder: str = "", *, workers: int = 1, verify: bool = False, quiet: bool = True
) -> Report:
    """Index every shard whose index is missing or out of date.

    shards   addresses
    folder   of the indices; empty: beside the shards
    workers  processes
    verify   decode every picture once
    quiet    no progress bar
    """
    if not shards:
        raise ShardError("no shards given")
    with ThreadPoolExecutor(AT_ONCE) as threads:  # in parallel: remote file systems answer slowly
        looked = list(threads.map(lambda shard: _looked(shard, folder, verify), shards))
    done = {found.shard: found for _, found in looked if found}
    sizes = {shard: size for shard, (size, found) in zip(shards, looked, strict=True) if not found}
    todo = list(sizes)
    with tqdm(total=sum(sizes.values()), unit="B", unit_scale=True, disable=quiet or not todo) as bar:
        for made in _made(todo, folder, workers, verify):
            done[made.shard] = made
            bar.update(sizes[made.shard])
            bar.set_postfix_str(f"{len(done):,} of {len(shards):,} shards", refresh=False)
    summaries = [done[shard] for shard in shards]
    return Report(summaries, folder, len(todo), list(index.troubles(summaries, folder)))


def _looked(shard: str, folder: str, verify: bool) -> tuple[int, Summary | None]:
    """A shard's size, and the summary of its index if that is up to date."""
    now = locations.stamp(shard)
    try:
        found = index.summary(shard, folder)
        usable = found is not None and (found.verified or not verify) and index.current(found, now)
    except ShardError:  # an index of another version, damaged, or older than its shard
        usable = False
    return now.size, found if usable else None


def _made(todo: Sequence[str], folder: str, workers: int, verify: bool) -> Iterator[Summary]:
    if workers == 1 or len(todo) < 2:
        yield from (one(shard, folder, verify) for shard in todo)
        return
    with processes(min(workers, len(todo))) as pool:
        work = [pool.submit(_one, shard, folder, verify) for shard in todo]
        try:
            for finished in as_completed(work):
                yield finished.result()
        except BrokenProcessPool:
            raise ShardError("a process was killed, perhaps for lack of memory; the same command continues") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one(shard: str, folder: str, verify: bool) -> Summary:
    """In a worker process, which ignores Ctrl-C: it finishes its shard, and the parent ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return one(shard, folder, verify)


def one(shard: str, folder: str, verify: bool) -> Summary:
    """Index one shard; the index file appears once it is complete."""
    made = members.read(shard, verify)
    locations.write(locations.index_of(shard, folder), index.packed(made))
    return made.summary
