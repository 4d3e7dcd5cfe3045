"""A declared mix with its corpora opened and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, Protocol

import yaml

from headtohead.config.parsing import ConfigError, Share, build
from headtohead.data.order import before
from headtohead.data.samples import Captions, Pictures, View
from headtohead.data.shards import corpus as corpora
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.locations import ShardError


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


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    data: tuple[str, ...]  # folders, globs, brace patterns, fsspec addresses
    index: str = ""  # the folder of its indices; beside the shards when empty
    captions: str = "txt"  # `txt`, or `json:KEY`
    short_captions: str = ""  # the same, for short ones; empty = it has none
    weight: float = 0.0  # 0 = as many as it has samples


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    corpora: dict[str, CorpusConfig]
    size: int = 448  # pixels
    crop: Literal["centre", "random"] = "centre"
    short: Share = 0.0  # share of all samples that are shown with a short caption
    block: int = 16  # shards among which samples are shuffled, and which a process has open, of each corpus
    max_damaged: Share = 0.01

    def __post_init__(self) -> None:
        for name, corpus in self.corpora.items():
            for key, value in (("captions", corpus.captions), ("short_captions", corpus.short_captions or "txt")):
                if value != "txt" and not (value.startswith("json:") and value[5:]):
                    raise ValueError(f"corpora.{name}.{key}: expected txt or json:KEY, got {value!r:.80}")
        if len({bool(corpus.weight) for corpus in self.corpora.values()}) > 1:
            raise ValueError("corpora: either every corpus has a weight or none has")
        if self.short and not any(corpus.short_captions for corpus in self.corpora.values()):
            raise ValueError(f"short: {self.short}, but no corpus has short_captions")


def mix(given: Any, where: str = "") -> MixConfig:
    """A mix from plain data, as YAML and JSON hold it; anything unknown or impossible is one clear line."""
    return build(MixConfig, given, where)


def read(path: str) -> MixConfig:
    """The file that data.mix names."""
    try:
        return mix(yaml.safe_load(Path(path).read_text()), path)
    except OSError as error:
        raise ConfigError(f"data.mix: {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"data.mix: {path}: {' '.join(str(error).split())[:160]}") from None
