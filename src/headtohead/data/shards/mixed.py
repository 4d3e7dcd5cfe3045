"""A declared mix with its corpora opened and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import Protocol

from headtohead.data.shards import corpus as corpora
from headtohead.data.shards.captions import Captions
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.declare import MixConfig
from headtohead.data.shards.order import before
from headtohead.data.shards.places import ShardError
from headtohead.data.shards.views import Pictures, View


class Source(Protocol):
    """A corpus, with which of its captions and as what: pictures, or features of them."""

    @property
    def corpus(self) -> Corpus: ...
    @property
    def captions(self) -> Captions: ...
    def view(self, most: int) -> View: ...


@dataclass(frozen=True)
class Mix:
    sources: Sequence[Source]
    weights: Sequence[float]
    block: int
    random_crop: bool = False
    apart: Sequence[int] = ()  # samples of each source that are never trained on

    @property
    def samples(self) -> int:
        return sum(source.corpus.samples for source in self.sources)

    def trained(self, source: int) -> list[int]:
        """Samples of each shard of a source that are trained on: its first ones. What is held out is spread evenly."""
        corpus = self.sources[source].corpus
        share = Fraction(self.apart[source] if self.apart else 0, max(corpus.samples, 1))
        ends = [0, *accumulate(corpus.counts)]
        return [n - before(end, share) + before(end - n, share) for n, end in zip(corpus.counts, ends[1:], strict=True)]

    def held_out(self, source: int) -> list[tuple[int, int]]:
        """Shard and row of each sample that is not."""
        pairs = zip(self.sources[source].corpus.counts, self.trained(source), strict=True)
        return [(shard, row) for shard, (whole, first) in enumerate(pairs) for row in range(first, whole)]

    def holding_out(self, number: int) -> Mix:
        """So many samples are taken from training, of every corpus by its weight: the same ones for every run."""
        exact = [Fraction(str(weight)) for weight in self.weights]
        ends = [number * end // sum(exact) for end in accumulate(exact)]
        apart = [int(end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
        for source, own in zip(self.sources, apart, strict=True):
            if own >= source.corpus.samples and own:
                told = f"corpus {source.corpus.name} would give {own:,}, and has {source.corpus.samples:,} samples"
                raise ShardError(f"evaluation.held_out={number}: {told}")
        return replace(self, apart=apart)


def opened(config: MixConfig) -> Mix:
    """The mix as pictures; corpora without an index, older than their shards or too damaged are refused here."""
    found = {
        name: corpora.opened(name, own.data, own.index, config.max_damaged) for name, own in config.corpora.items()
    }
    weights = {name: own.weight or float(found[name].samples) for name, own in config.corpora.items()}
    share = short_share(config, weights)
    sources = [
        Pictures(found[name], Captions(own.captions, own.short_captions, share if own.short_captions else Fraction(0)),
                 config.size)
        for name, own in config.corpora.items()
    ]  # fmt: skip
    return Mix(sources, list(weights.values()), config.block, config.crop == "random")


def short_share(config: MixConfig, weights: dict[str, float]) -> Fraction:
    """What share of the corpora with short captions tells them, so that it is `short` of the whole mix."""
    if not config.short:
        return Fraction(0)
    exact = {name: Fraction(str(weight)) for name, weight in weights.items()}
    having = sum(exact[name] for name, own in config.corpora.items() if own.short_captions)
    share = Fraction(str(config.short)) * sum(exact.values()) / having
    if share > 1:
        most = float(having / sum(exact.values()))
        raise ShardError(
            f"short: {config.short:g} of the mix, but corpora with short captions are only {most:.3g} of it"
        )
    return share
