"""The order of shards' samples: exact, local, and the same whoever reads it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import shards as made
from torch.utils.data import DataLoader

from headtohead.config.parsing import ConfigError
from headtohead.data import mixture
from headtohead.data.order import Order, Portion, Turns, falls
from headtohead.data.shard_batches import Loader, Reading, Steps, Tally
from headtohead.data.shards.locations import ShardError

COUNTS = [7, 3, 0, 11, 5, 5, 9, 1, 4]


def test_every_sample_once_an_epoch_and_every_epoch_in_another_order() -> None:
    order = Order(COUNTS, seed=3, block=2)
    all_of_them = [(s, r) for s, n in enumerate(COUNTS) for r in range(n)]
    epochs = [[order.at(e * 45 + k) for k in range(45)] for e in range(3)]
    for number, epoch in enumerate(epochs):
        assert sorted(p[1:] for p in epoch) == all_of_them
        assert {p.epoch for p in epoch} == {number}
    assert len({tuple(p[1:] for p in epoch) for epoch in epochs}) == 3
    assert [order.at(k) for k in range(45)] != [Order(COUNTS, seed=4, block=2).at(k) for k in range(45)]


def test_a_position_is_a_function_of_itself_alone() -> None:
    order = Order(COUNTS, seed=3, block=4)
    forward = [order.at(k) for k in range(90)]
    backward = [Order(COUNTS, seed=3, block=4).at(k) for k in reversed(range(90))]
    assert forward == backward[::-1]


@pytest.mark.parametrize("block", [1, 2, 4, 20])
def test_reading_stays_within_a_block_of_shards(block: int) -> None:
    order = Order(COUNTS, seed=1, block=block)
    shards = [order.at(k).shard for k in range(45)]
    spans = [(shards.index(s), 44 - shards[::-1].index(s)) for s in set(shards)]
    assert len(spans) == 8
    assert max(sum(first <= k <= last for first, last in spans) for k in range(45)) <= block


def test_within_a_block_samples_of_its_shards_alternate() -> None:
    order = Order([500] * 4, seed=0, block=4)
    shards = np.array([order.at(k).shard for k in range(400)])
    assert np.bincount(shards).min() > 70
    rows = np.array([order.at(k).row for k in range(2000)])
    assert abs(np.corrcoef(rows, np.arange(2000))[0, 1]) < 0.1


@pytest.mark.parametrize("weights", [[9, 1], [0.5, 0.25, 0.25], [12e6, 11e6, 4.2e6], [1], [0, 3, 0], [0.1, 0.2, 0.7]])
def test_a_mix_keeps_its_proportions_and_shows_each_corpus_in_its_own_order(weights: list[float]) -> None:
    turns = Turns(weights, seed=5)
    positions: list[list[int]] = [[] for _ in weights]
    for k in range(10_240):
        turn = turns.at(k)
        positions[turn.corpus].append(turn.position)
        if k % 1024 == 1023:  # exact at the end of each window, to less than one per corpus before it
            for own, weight in zip(positions, weights, strict=True):
                assert abs(len(own) - (k + 1) * weight / sum(weights)) < len(weights)
                assert own == list(range(len(own)))
    assert [turns.at(7_000_000_123)] == [Turns(weights, seed=5).at(7_000_000_123)]


def test_the_corpora_of_a_mix_take_turns_without_a_pattern_that_readers_could_fall_into() -> None:
    turns = Turns([1, 1], seed=5)
    for readers in (2, 4, 8):
        own = [turns.at(k).corpus for k in range(0, 1024, readers)]
        assert 0.3 < np.mean(own) < 0.7


def test_a_share_falls_evenly() -> None:
    shown = [falls(k, Fraction("0.1")) for k in range(1000)]
    assert sum(shown) == 100
    assert all(sum(shown[k : k + 10]) == 1 for k in range(990))


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> mixture.Mix:
    return made.mix(tmp_path_factory.mktemp("corpora"))


def shown(mix: mixture.Mix, ranks: int, workers: int, parts: int = 1, start: int = 0) -> list[list[str]]:
    """The captions of each step's global batch, from as many readers as there are ranks and workers."""
    steps: dict[int, list[str]] = {}
    for rank in range(ranks):
        portion = Portion.of(12, 12 // ranks // parts, rank, ranks)
        own = Steps(mix, seed=2, batch=12, start=start, stop=14, portion=portion)
        context = "fork" if workers else None
        loader = DataLoader(own, batch_size=None, num_workers=workers, multiprocessing_context=context)
        for unit, batch in enumerate(loader):
            assert len(batch.captions) == 12 // ranks // parts
            assert batch.start == portion.starts[unit % parts]
            steps.setdefault(start + unit // parts, []).extend(batch.captions)
    return [steps[k] for k in sorted(steps)]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than a small machine has cores
def test_the_global_batches_do_not_depend_on_ranks_and_workers_and_resume_anywhere(mix: mixture.Mix) -> None:
    whole = shown(mix, ranks=1, workers=0)
    assert len(whole) == 14
    for ways in ((2, 0, 1, 0), (1, 2, 1, 0), (4, 0, 3, 5), (3, 1, 2, 3), (1, 3, 1, 11), (12, 0, 1, 13)):
        assert shown(mix, *ways) == whole[ways[-1] :], ways


def test_a_batch_is_the_same_in_every_bit_whoever_reads_it(mix: mixture.Mix) -> None:
    alone = Reading(mix, 2).batch(range(12))
    for first in (0, 4, 8):
        batch = Reading(mix, 2).batch(range(first, first + 4), first)
        assert batch.captions == alone.captions[first : first + 4]
        assert bool((batch.x_1 == alone.x_1[first : first + 4]).all())


def test_no_more_shards_are_open_than_a_block_has(mix: mixture.Mix) -> None:
    reading = Reading(mix, 2)
    for k in range(40):
        reading.batch(range(k * 5, k * 5 + 5))
        assert all(len(view.reader.shards.open) <= 2 for view in reading.views)  # type: ignore[attr-defined]
    reading.close()
    assert not any(view.reader.shards.open for view in reading.views)  # type: ignore[attr-defined]


def test_a_loader_counts_what_it_shows(mix: mixture.Mix) -> None:
    tally = Tally(most=0.01)
    loader = Loader(Steps(mix, seed=0, batch=10, start=2, stop=6, portion=Portion.of(10, 5)), tally)
    assert len(loader) == len(list(loader)) == 8
    assert tally.plain() == {"shown": 40, "failed": 0, "troubles": []}


def test_short_captions_are_so_much_of_the_whole_mix() -> None:
    corpora = {"cc12m": {"data": "a", "short_captions": "json:caption"}, "sa1b": {"data": "b"}, "jdb": {"data": "c"}}
    config = mixture.mix({"corpora": corpora, "short": 0.1})
    share = mixture.short_share(config, {"cc12m": 10.0, "sa1b": 11.0, "jdb": 4.0})
    assert share == Fraction(1, 4)  # of CC12M, which is 10 of 25: one in ten of all
    with pytest.raises(ShardError, match=r"short: 0\.1 of the mix, but"):
        mixture.short_share(config, {"cc12m": 1.0, "sa1b": 11.0, "jdb": 4.0})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"corpora": {"a": {"data": "x", "caption": "txt"}}}, "unknown key corpora.a.caption; did you mean"),
        ({"corpora": {"a": {}}}, "corpora.a.data: missing"),
        ({"corpora": {"a": {"data": []}}}, "corpora.a.data: expected text or a list of it"),
        ({"corpora": {"a": {"data": [1]}}}, "corpora.a.data: expected text"),
        ({"corpora": {}}, "corpora: expected settings by name"),
        ({"corpora": {"a": "x"}}, "corpora.a: expected settings"),
        ({}, "corpora: missing"),
        ({"corpora": {"a": {"data": "x", "captions": "csv"}}}, "corpora.a.captions: expected txt or json:KEY"),
        ({"corpora": {"a": {"data": "x"}}, "short": 0.1}, "no corpus has short_captions"),
        ({"corpora": {"a": {"data": "x"}}, "short": 2}, "short: expected a number from 0 to 1"),
        ({"corpora": {"a": {"data": "x"}}, "crop": "left"}, "unknown value of crop left"),
        ({"corpora": {"a": {"data": "x", "weight": 1}, "b": {"data": "y"}}}, "either every corpus has a weight"),
    ],
)  # fmt: skip
def test_what_a_mix_may_say(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=r"mix\.yaml: ") as caught:
        mixture.mix(given, "mix.yaml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
