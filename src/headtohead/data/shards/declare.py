"""What a run trains on: corpora, their captions and their weights, as a declaration.

The paper's mix (section 3.3): CC12M and SA-1B with detailed captions, JourneyDB with its own, some 25 million pairs.
Section 5.2 adds short captions of CC12M, one in ten: `short: 0.1`. Detailed captions have 120 tokens on average, short
ones about 20.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from headtohead.strict import ConfigError, Share, build

SHORT = 0.1  # section 5.2


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


def paper(cc12m: str, sa1b: str, journeydb: str, *, short_captions: str = "", **settings: Any) -> MixConfig:
    """The ablation's mix; where the shards lie is the reader's to say, and where CC12M keeps short captions."""
    corpora = {
        "cc12m": {"data": cc12m, "short_captions": short_captions},
        "sa1b": {"data": sa1b},
        "journeydb": {"data": journeydb},
    }
    return mix({"corpora": corpora, **({"short": SHORT} if short_captions else {}), **settings})
