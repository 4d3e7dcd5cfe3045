"""Training batches from shards. The samples of step k are a function of the seed and k alone.

The global batch of step k is positions k B to (k + 1) B of the mix. Each device takes its portion of them, each worker
every n-th batch of its device. Neither moves a sample to another step, so a run can resume at any step on another
number of devices or workers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from headtohead.data.mixture import Mix
from headtohead.data.order import Order, Portion, Turns
from headtohead.data.samples import Sample, Wanted
from headtohead.data.shards import locations
from headtohead.data.shards.index import Trouble
from headtohead.data.shards.locations import ShardError
from headtohead.utils.random import keys, uniform

IN_A_ROW = 100  # failed samples in a row after which the run ends
AT_FIRST = 1000  # samples that the share of failures is taken of at least
CROP, CAPTION = 11, 12  # salts


class ShardBatch(NamedTuple):  # Lightning moves tuples to the device, frozen dataclasses it refuses
    captions: list[str]
    x_1: Tensor  # (B, 3, H, W) bytes, or (B, N, D) features
    start: int  # of its rows in the step's global batch
    troubles: list[Trouble]  # damaged samples, which were replaced


class Steps(IterableDataset[ShardBatch]):
    """One device's batches; several a step when gradients are accumulated.

    batch        samples of a step, over all devices
    start, stop  first step and the step after the last
    portion      the device's rows of each step's batch; all of them when None
    """

    def __init__(
        self, mix: Mix, *, seed: int, batch: int, start: int, stop: int, portion: Portion | None = None
    ) -> None:
        self.mix, self.seed, self.batch, self.start, self.stop = mix, seed, batch, start, stop
        self.portion = portion or Portion.of(batch)

    @property
    def parts(self) -> int:
        """Batches of a step on this device."""
        return len(self.portion.starts)

    def positions(self, unit: int) -> tuple[int, list[int]]:
        """First row in the global batch and positions in the mix of part `unit % parts` of step `unit // parts`."""
        step, part = divmod(unit, self.parts)
        first = self.portion.starts[part]
        begin = step * self.batch + first
        return first, list(range(begin, begin + self.portion.at_once))

    def __iter__(self) -> Iterator[ShardBatch]:
        worker = get_worker_info()
        first, every = (worker.id, worker.num_workers) if worker else (0, 1)
        reading = Reading(self.mix, self.seed)
        try:
            for unit in range(self.start * self.parts + first, self.stop * self.parts, every):
                first, positions = self.positions(unit)
                yield reading.batch(positions, first)
        finally:
            reading.close()


class Reading:
    """A mix read by one process: the order of each corpus, and its open shards."""

    def __init__(self, mix: Mix, seed: int) -> None:
        self.mix, self.seed = mix, seed
        self.turns = Turns(mix.weights, seed)
        self.orders = [Order(mix.trained(k), seed=seed, block=mix.block, salt=k) for k in range(len(mix.sources))]
        self.views = [source.view(mix.block) for source in mix.sources]

    def batch(self, positions: Sequence[int], first: int = 0) -> ShardBatch:
        """The samples at these positions of the mix; `first` is their first row in the global batch.

        A damaged sample is replaced by its corpus's next one, which lies in shards that are open already and is the
        same for every number of devices and workers.
        """
        turns = [self.turns.at(p) for p in positions]
        shown: list[Sample | None] = [None] * len(turns)
        troubles: list[Trouble] = []
        for tried in range(IN_A_ROW):
            for corpus, view in enumerate(self.views):
                own = [k for k, turn in enumerate(turns) if turn.corpus == corpus and shown[k] is None]
                wanted = [self.wanted(corpus, turns[k].position + tried) for k in own]
                for k, found in zip(own, view.read(wanted), strict=True):
                    if isinstance(found, Trouble):
                        troubles.append(found)
                    else:
                        shown[k] = found
            samples = [s for s in shown if s is not None]
            if len(samples) == len(turns):
                return ShardBatch([s.caption for s in samples], torch.stack([s.x_1 for s in samples]), first, troubles)
        raise ShardError(f"{troubles[-1]}; so are {IN_A_ROW - 1} before it, one after the other")

    def held_out(self) -> list[Sample]:
        """The samples that no step shows; damaged ones are left out."""
        out: list[Sample] = []
        for corpus, view in enumerate(self.views):
            captions, places = self.mix.sources[corpus].captions, self.mix.held_out(corpus)
            wanted = [Wanted(shard, row, captions.source(k)) for k, (shard, row) in enumerate(places)]
            out += [found for found in view.read(wanted) if not isinstance(found, Trouble)]
        return out

    def wanted(self, corpus: int, position: int) -> Wanted:
        """The sample at a position of a corpus's order, with its crop and caption."""
        place = self.orders[corpus].at(position)
        x = y = 0.5
        if self.mix.random_crop:
            x, y = (float(u) for u in uniform(keys(self.seed, np.array([position]), CROP, corpus), 2)[0])
        pick = float(uniform(keys(self.seed, np.array([position]), CAPTION, corpus), 1)[0, 0])
        return Wanted(place.shard, place.row, self.mix.sources[corpus].captions.source(position), x, y, pick)

    def close(self) -> None:
        for view in self.views:
            view.close()


@dataclass
class Tally:
    """Samples shown and samples that failed, for the run's record; raises when more than the share `most` failed."""

    most: float
    shown: int = 0
    failed: int = 0
    troubles: dict[Trouble, int] = field(default_factory=dict)  # with how often: a sample fails in every epoch

    def add(self, batch: ShardBatch) -> None:
        self.shown += len(batch.captions)
        self.failed += len(batch.troubles)
        for trouble in batch.troubles:
            self.troubles[trouble] = self.troubles.get(trouble, 0) + 1
        if self.failed > self.most * max(self.shown, AT_FIRST):
            raise ShardError(
                f"{batch.troubles[-1] if batch.troubles else 'data'}; with it {self.failed:,} of {self.shown:,} "
                f"samples failed, and max_damaged={self.most:g}"
            )

    def plain(self) -> dict[str, Any]:
        rows = [{**trouble._asdict(), "times": times} for trouble, times in self.troubles.items()]
        return {"shown": self.shown, "failed": self.failed, "troubles": rows}


class Loader:
    """Batches of `steps` in order, read ahead by `workers` processes; `tally` counts the failures of all of them.

    context  how the processes start (`fork`, `spawn`); chosen by where the shards lie when None
    """

    def __init__(self, steps: Steps, tally: Tally, *, workers: int = 0, context: str | None = None) -> None:
        self.steps, self.tally = steps, tally
        far = any(not locations.is_local(s.corpus.shards[0].shard) for s in steps.mix.sources)
        started = (context or ("spawn" if far else None)) if workers else None  # connections do not fork
        with warnings.catch_warnings():  # more workers than cores are meant: they wait for disks and networks
            warnings.filterwarnings("ignore", "This DataLoader will create")
            self.loader = DataLoader(
                steps, batch_size=None, num_workers=workers, pin_memory=torch.cuda.is_available(),
                multiprocessing_context=started,
            )  # fmt: skip

    def __iter__(self) -> Iterator[ShardBatch]:
        try:
            for batch in self.loader:
                self.tally.add(batch)
                yield batch
        except ShardError as error:  # a worker's error holds its traceback; only the last line is for users
            raise ShardError(str(error).strip().splitlines()[-1].rpartition("ShardError: ")[2]) from None

    def __len__(self) -> int:
        return (self.steps.stop - self.steps.start) * self.steps.parts
