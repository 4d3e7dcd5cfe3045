"""A declared mix with its corpora opened and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from headtohead.data.shards import corpus as corpora
from headtohead.data.shards.captions import Captions
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.declare import MixConfig
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

    @property
    def samples(self) -> int:
        return sum(source.corpus.samples for source in self.sources)


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
