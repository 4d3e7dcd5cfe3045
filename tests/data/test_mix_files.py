"""The mix files that come with the project: the example has every key, the paper's is what its sections say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from headtohead.data import mixture
from headtohead.data.mixture import CorpusConfig, MixConfig
from headtohead.data.shards import locations
from headtohead.data.shards.locations import ShardError

MIXES = Path(__file__).parents[2] / "sweeps" / "mixes"


def test_the_example_has_every_key_and_the_defaults() -> None:
    plain = yaml.safe_load((MIXES / "example.yaml").read_text())
    config = mixture.read(str(MIXES / "example.yaml"))
    assert set(plain) == {f.name for f in fields(MixConfig)}
    assert set(plain["corpora"]["photos"]) == {f.name for f in fields(CorpusConfig)}
    default = mixture.mix({"corpora": {"any": {"data": "x"}}})
    assert {k: getattr(config, k) for k in plain if k != "corpora"} == {
        k: getattr(default, k) for k in plain if k != "corpora"
    }
    own, any_corpus = config.corpora["photos"], default.corpora["any"]
    assert (own.index, own.captions) == (any_corpus.index, any_corpus.captions)


def test_the_papers_mix_is_a_declaration() -> None:
    config = mixture.read(str(MIXES / "blip3o.yaml"))
    assert list(config.corpora) == ["cc12m", "sa1b", "journeydb", "cc12m_short"]
    assert {(own.captions, own.weight) for own in config.corpora.values()} == {("txt", 0.0)}
    short = [address for pattern in config.corpora["cc12m_short"].data for address in locations.braces(pattern)]
    assert len(short) == len(set(short)) == 1152
    assert not any("00842" in address for address in short)


@pytest.mark.parametrize("corpus", ["cc12m", "sa1b", "journeydb"])
def test_its_patterns_mean_the_shards_of_their_corpus(
    corpus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"cc12m": "webdataset_shard_12.tar", "sa1b": "sa_000001.tar", "jdb": "webdataset_JDB_3.tar"}
    for folder, found in (("Long-Caption", names.values()), ("JourneyDB", ["JourneyDB_054.tar"])):
        for name in found:
            (tmp_path / f"data/BLIP3o-Pretrain-{folder}").mkdir(parents=True, exist_ok=True)
            (tmp_path / f"data/BLIP3o-Pretrain-{folder}" / name).touch()
    monkeypatch.chdir(tmp_path)
    (shard,) = locations.shards(mixture.read(str(MIXES / "blip3o.yaml")).corpora[corpus].data)
    assert Path(shard).name == {**names, "journeydb": "JourneyDB_054.tar"}[corpus]


def test_shards_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ShardError, match=r"webdataset_shard_\*\.tar: no shards"):
        mixture.opened(mixture.read(str(MIXES / "blip3o.yaml")))
