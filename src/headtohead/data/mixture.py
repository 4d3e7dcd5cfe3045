"""The mix of corpora that a mix file declares, with its corpora opened and checked."""

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
    """A corpus with a choice of its captions, read as pictures or as features of them."""

    @property
    def corpus(self) -> Corpus: ...
    @property
    def captions(self) -> Captions: ...
    def view(self, most: int) -> View: ...


@dataclass(frozen=True)
class Mix:
    """Corpora and the shares in which training shows them.

    weights          relative shares of the samples
    block            shards of a corpus among which samples are shuffled
    random_crop      crop squares at random instead of at the centre
    held_out_counts  samples of each corpus that are never trained on
    """

    sources: Sequence[Source]
    weights: Sequence[float]
    block: int
    random_crop: bool = False
    held_out_counts: Sequence[int] = ()

    @property
    def samples(self) -> int:
        return sum(source.corpus.samples for source in self.sources)

    def trained(self, source: int) -> list[int]:
        """How many samples of each shard are trained on: its first ones. The held-out rest is spread evenly."""
        corpus = self.sources[source].corpus
        share = Fraction(self.held_out_counts[source] if self.held_out_counts else 0, max(corpus.samples, 1))
        ends = [0, *accumulate(corpus.counts)]
        return [n - before(end, share) + before(end - n, share) for n, end in zip(corpus.counts, ends[1:], strict=True)]

    def held_out(self, source: int) -> list[tuple[int, int]]:
        """Shard and row of each held-out sample of a source."""
        pairs = zip(self.sources[source].corpus.counts, self.trained(source), strict=True)
        return [(shard, row) for shard, (whole, first) in enumerate(pairs) for row in range(first, whole)]

    def holding_out(self, number: int) -> Mix:
        """The mix with `number` samples held out, from each corpus by its weight; the same ones for every run."""
        exact = [Fraction(str(weight)) for weight in self.weights]
        ends = [number * end // sum(exact) for end in accumulate(exact)]
        counts = [int(end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
        for source, own in zip(self.sources, counts, strict=True):
            if own >= source.corpus.samples and own:
                reason = f"corpus {source.corpus.name} would give {own:,}, and has {source.corpus.samples:,} samples"
                raise ShardError(f"evaluation.held_out={number}: {reason}")
        return replace(self, held_out_counts=counts)


def opened(config: MixConfig) -> Mix:
    """The mix as pictures. Raises for a corpus without an index, with an outdated one, or with too much damage."""
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
    """The share of samples that show a short caption in the corpora that have them, so that it is `config.short` of
    the whole mix. `weights` are the corpora's, by name."""
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
    """A corpus of a mix file; sweeps/mixes/example.yaml shows every key."""

    data: tuple[str, ...]  # folders, globs, brace patterns, fsspec addresses
    index: str = ""  # folder of the indices; empty: beside the shards
    captions: str = "txt"  # `txt`, or `json:KEY` with a string or a list of them
    short_captions: str = ""  # the same for short captions; empty: none
    weight: float = 0.0  # 0: as many as it has samples


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """A mix file."""

    corpora: dict[str, CorpusConfig]
    size: int = 448  # side of the pictures in pixels; a run replaces it by what its encoder takes
    crop: Literal["centre", "random"] = "centre"
    short: Share = 0.0  # share of all samples that show a short caption
    block: int = 16  # shards of a corpus among which samples are shuffled, and which a process holds open
    max_damaged: Share = 0.01  # share of samples that may be damaged

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
    """A mix from plain data, as YAML and JSON hold it; `where` names the file in errors."""
    return build(MixConfig, given, where)


def read(path: str) -> MixConfig:
    """The mix file that data.mix names."""
    try:
        return mix(yaml.safe_load(Path(path).read_text()), path)
    except OSError as error:
        raise ConfigError(f"data.mix: {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"data.mix: {path}: {' '.join(str(error).split())[:160]}") from None
