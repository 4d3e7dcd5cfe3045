"""What is held out of a mix: the same samples for every run, never shown, the loss on them in the curve."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import shards as made

from headtohead.data import mixture
from headtohead.data.shard_batches import Reading, Steps
from headtohead.data.shards.build_index import build
from headtohead.data.shards.locations import ShardError

LARGE, SMALL = 45, 8  # samples


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> mixture.Mix:
    return made.mix(tmp_path_factory.mktemp("corpora"))


def every_one() -> set[str]:
    return {made.told(k) for k in (*range(LARGE), *range(100, 100 + SMALL))}


def captions(mix: mixture.Mix) -> list[str]:
    return [sample.caption for sample in Reading(mix, 0).held_out()]


@pytest.mark.parametrize("number", [0, 1, 7, 20])
def test_what_is_held_out_is_never_shown_and_all_else_is(mix: mixture.Mix, number: int) -> None:
    own = mix.holding_out(number)
    kept = captions(own)
    shown = {c for batch in Steps(own, seed=4, batch=10, start=0, stop=20) for c in batch.captions}
    assert len(kept) == len(set(kept)) == number
    assert not shown & set(kept)
    assert shown | set(kept) == every_one()


def test_each_corpus_gives_its_weights_share_from_all_over(mix: mixture.Mix) -> None:
    own = mix.holding_out(20)
    assert [len(own.held_out(k)) for k in (0, 1)] == [16, 4]
    assert {shard for shard, _ in own.held_out(0)} == set(range(5))
    assert [sum(own.trained(k)) for k in (0, 1)] == [LARGE - 16, SMALL - 4]


def test_what_is_held_out_is_the_same_for_every_seed(mix: mixture.Mix) -> None:
    own = mix.holding_out(7)
    assert [s.caption for s in Reading(own, 1).held_out()] == captions(own)


def test_a_corpus_that_would_give_all_that_it_has_is_refused(mix: mixture.Mix) -> None:
    with pytest.raises(ShardError, match=r"evaluation\.held_out=16: corpus small would give 8, and has 8 samples"):
        dataclasses.replace(mix, weights=(1.0, 1.0)).holding_out(16)


def test_a_sample_that_fails_is_left_out(tmp_path: Path) -> None:
    parts = [(name, b"no picture" if name == "000003.jpg" else data) for name, data in made.members(range(4))]
    made.write(tmp_path / "a" / "0.tar", parts)
    build([str(tmp_path / "a" / "0.tar")])
    own = mixture.opened(mixture.mix({"corpora": {"a": {"data": str(tmp_path / "a")}}, "size": 8})).holding_out(2)
    assert captions(own) == [made.told(2)]
