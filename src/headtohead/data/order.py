"""In which order a corpus is shown: a pure function of the seed and of the position, exact over every epoch.

Shards are permuted, taken in blocks of a few, and samples permuted within their block: reading stays within a few
shards at a time, and nothing larger than a block's samples is ever held. The permutations are sorted keys of
`world.counter`, so that they do not depend on the version of a random generator.
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
    epoch: int
    shard: int
    row: int


class Turn(NamedTuple):
    """Which corpus a position of a mix shows, and that corpus's own position."""

    corpus: int
    position: int


def permutation(number: int, seed: int, *salts: int) -> NDArray[np.int64]:
    return np.argsort(keys(seed, np.arange(number), *salts), kind="stable")


class Order:
    """Of one corpus, without an end: position k is sample k mod n of epoch k div n."""

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
        """The shards in their order, and where each block begins."""
        shards = permutation(len(self.counts), self.seed, SHARDS, self.salt, epoch)
        ends = np.add.accumulate(self.counts[shards])[self.block - 1 :: self.block]
        return shards, np.concatenate([[0], ends])

    def _block_made(self, epoch: int, block: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Shard and row of each sample of a block, in their order."""
        members = self._epoch(epoch)[0][block * self.block : (block + 1) * self.block]
        counts = self.counts[members]
        shards = np.repeat(members, counts).astype(np.int32)
        rows = np.concatenate([np.arange(n, dtype=np.int32) for n in counts])
        order = permutation(len(rows), self.seed, SAMPLES, self.salt, epoch, block)
        return shards[order], rows[order]


def before(position: int, share: Fraction) -> int:
    """How many of the first positions a share of them has: spread evenly, exact to less than one at every position."""
    return position * share.numerator // share.denominator


def falls(position: int, share: Fraction) -> bool:
    return before(position + 1, share) > before(position, share)


class Turns:
    """Whose turn it is in a mix: each corpus gets its weight's share of every stretch, and shows its own order."""

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        exact = [Fraction(str(w)) for w in weights]
        if min(exact) < 0 or not sum(exact):
            raise ValueError(f"weights {list(weights)}: must not be negative, and some above 0")
        # The first corpus's share of all, the second's of the rest, and so on; the last has what is left.
        rests = [sum(exact[k:], Fraction(0)) for k in range(len(exact))]
        self.shares = [w / rest if rest else Fraction(0) for w, rest in zip(exact, rests, strict=True)]
        self.seed = seed
        self._window = lru_cache(2)(self._window_made)

    def at(self, position: int) -> Turn:
        window, here = divmod(position, WINDOW)
        corpora, positions = self._window(window)
        return Turn(int(corpora[here]), int(positions[here]))

    def _window_made(self, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each position's corpus, shuffled, since a regular pattern would give one worker the same corpus always."""
        even = [self._even(window * WINDOW + k) for k in range(WINDOW)]
        corpora = np.array([turn.corpus for turn in even])[permutation(WINDOW, self.seed, MIX, window)]
        positions = np.zeros(WINDOW, np.int64)
        for corpus in set(corpora.tolist()):
            first = min(turn.position for turn in even if turn.corpus == corpus)
            positions[corpora == corpus] = first + np.arange((corpora == corpus).sum())
        return corpora, positions

    def _even(self, position: int) -> Turn:
        """Spread as evenly as whole numbers allow, so that a count is known without counting."""
        for corpus, share in enumerate(self.shares):
            if falls(position, share):
                return Turn(corpus, before(position, share))
            position -= before(position, share)
        raise AssertionError("the last share that is above 0 is 1")


@dataclass(frozen=True)
class Portion:
    """The rows of every global batch that one device works off: some at once, beginning at these."""

    at_once: int
    starts: tuple[int, ...]

    @classmethod
    def of(cls, batch: int, micro: int = 0, rank: int = 0, world: int = 1) -> Portion:
        """Neighbouring rows go to one device, so that any number of devices sees the same global batch."""
        if batch % world:
            raise ConfigError(f"train.batch={batch}: cannot be shared evenly by {world} devices")
        share = batch // world
        at_once = min(micro or share, share)
        if share % at_once:
            raise ConfigError(f"compute.micro_batch={micro}: does not divide the {share} pictures a device takes")
        return cls(at_once, tuple(range(rank * share, (rank + 1) * share, at_once)))
