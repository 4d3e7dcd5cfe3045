"""The order of training samples: a pure function of the seed and the position, in which every epoch is complete.

Shards are permuted and taken in blocks; samples are permuted within their block. So only the shards of a block are open
at a time, and no list is longer than a block's samples. The permutations sort keys of `utils.random`, which do not
depend on the version of a random generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headtohead.config.parsing import ConfigError
from headtohead.utils.random import keys

SHARDS, SAMPLES, MIX = 1, 2, 3  # salts
WINDOW = 1024  # positions among which the corpora of a mix are shuffled


class Place(NamedTuple):
    """A sample of a corpus."""

    epoch: int
    shard: int
    row: int


class Turn(NamedTuple):
    """The corpus that a position of a mix shows, and the position in that corpus's own order."""

    corpus: int
    position: int


def permutation(number: int, seed: int, *salts: int) -> NDArray[np.int64]:
    """A permutation of range(number); other salts give independent ones."""
    return np.argsort(keys(seed, np.arange(number), *salts), kind="stable")


class Order:
    """The endless order of one corpus of n samples: position k is sample k mod n of epoch k div n.

    counts  samples of each shard
    block   shards among which samples are shuffled
    salt    makes corpora of one mix independent
    """

    def __init__(self, counts: Sequence[int], *, seed: int, block: int, salt: int = 0) -> None:
        self.counts, self.seed, self.block, self.salt = np.asarray(counts, np.int64), seed, block, salt
        self.samples = int(self.counts.sum())
        if not self.samples:
            raise ValueError("an order of no samples")
        self._epoch = lru_cache(2)(self._epoch_made)
        self._block = lru_cache(2)(self._block_made)

    def at(self, position: int) -> Place:
        epoch, rest = divmod(position, self.samples)
        _, begins = self._epoch(epoch)
        block = int(np.searchsorted(begins, rest, "right")) - 1
        shards, rows = self._block(epoch, block)
        here = rest - int(begins[block])
        return Place(epoch, int(shards[here]), int(rows[here]))

    def _epoch_made(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The shards in their order, and the position in the epoch at which each block begins."""
        shards = permutation(len(self.counts), self.seed, SHARDS, self.salt, epoch)
        ends = np.add.accumulate(self.counts[shards])[self.block - 1 :: self.block]
        return shards, np.concatenate([[0], ends])

    def _block_made(self, epoch: int, block: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Shard and row of each sample of a block, in the order in which they are shown."""
        members = self._epoch(epoch)[0][block * self.block : (block + 1) * self.block]
        counts = self.counts[members]
        shards = np.repeat(members, counts).astype(np.int32)
        rows = np.concatenate([np.arange(n, dtype=np.int32) for n in counts])
        order = permutation(len(rows), self.seed, SAMPLES, self.salt, epoch, block)
        return shards[order], rows[order]


def before(position: int, share: Fraction) -> int:
    """How many of the first `position` positions belong to a share of all; spread evenly, exact to less than one."""
    return position * share.numerator // share.denominator


def falls(position: int, share: Fraction) -> bool:
    """Whether a position belongs to that share."""
    return before(position + 1, share) > before(position, share)


class Turns:
    """The endless order of a mix: every stretch of it holds each corpus by its weight."""

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        exact = [Fraction(str(w)) for w in weights]
        if min(exact) < 0 or not sum(exact):
            raise ValueError(f"weights {list(weights)}: must not be negative, and some above 0")
        # The first corpus's share of all, the second's share of the rest, and so on.
        rests = [sum(exact[k:], Fraction(0)) for k in range(len(exact))]
        self.shares = [w / rest if rest else Fraction(0) for w, rest in zip(exact, rests, strict=True)]
        self.seed = seed
        self._window = lru_cache(2)(self._window_made)

    def at(self, position: int) -> Turn:
        window, here = divmod(position, WINDOW)
        corpora, positions = self._window(window)
        return Turn(int(corpora[here]), int(positions[here]))

    def _window_made(self, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Corpus and position in its order for each position of a window. Shuffled: a regular pattern would always give
        one worker the same corpus."""
        even = [self._even(window * WINDOW + k) for k in range(WINDOW)]
        corpora = np.array([turn.corpus for turn in even])[permutation(WINDOW, self.seed, MIX, window)]
        positions = np.zeros(WINDOW, np.int64)
        for corpus in set(corpora.tolist()):
            first = min(turn.position for turn in even if turn.corpus == corpus)
            positions[corpora == corpus] = first + np.arange((corpora == corpus).sum())
        return corpora, positions

    def _even(self, position: int) -> Turn:
        """The turn before shuffling: corpora are spread as evenly as whole numbers allow, which needs no counting."""
        for corpus, share in enumerate(self.shares):
            if falls(position, share):
                return Turn(corpus, before(position, share))
            position -= before(position, share)
        raise AssertionError("the last share that is above 0 is 1")


@dataclass(frozen=True)
class Portion:
    """The rows of each global batch that one device computes.

    at_once  rows of a forward pass
    starts   the first row of each forward pass
    """

    at_once: int
    starts: tuple[int, ...]

    @classmethod
    def of(cls, batch: int, micro: int = 0, rank: int = 0, world: int = 1) -> Portion:
        """Contiguous rows for each device, so that the global batch is the same for any number of devices.

        batch  rows of a global batch
        micro  rows of a forward pass; 0: all of the device's
        rank, world  this device's number, and how many there are
        """
        if batch % world:
            raise ConfigError(f"train.batch={batch}: cannot be shared evenly by {world} devices")
        share = batch // world
        at_once = min(micro or share, share)
        if share % at_once:
            raise ConfigError(f"compute.micro_batch={micro}: does not divide the {share} pictures a device takes")
        return cls(at_once, tuple(range(rank * share, (rank + 1) * share, at_once)))
