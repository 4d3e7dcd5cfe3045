"""Features of a corpus kept as shards: keyed, resumable, checked, and read in the order of their pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import fsspec
import numpy as np
import pytest
import shards as made
import torch
from safetensors.torch import load_file
from torch import Tensor

from headtohead.data import mixture
from headtohead.data.feature_cache import read, write
from headtohead.data.feature_cache.write import Recipe, Shape, cache_features
from headtohead.data.shard_batches import Reading
from headtohead.data.shards import corpus
from headtohead.data.shards.build_index import build
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.locations import ShardError


def encode(pictures: Tensor) -> Tensor:
    """Two tokens: the mean colour, and its square."""
    mean = pictures.mean((2, 3))
    return torch.stack([mean, mean**2], 1)


def silent(line: str) -> None:
    pass


def small(folder: Path) -> Corpus:
    build(made.sound(folder, 3, 5))
    return corpus.opened("a", [str(folder)])


def mix(folder: Path, **settings: object) -> mixture.Mix:
    return mixture.opened(mixture.mix({"corpora": {"a": {"data": str(folder)}}, "size": 8, "block": 2, **settings}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_features_come_in_the_order_of_their_pictures(tmp_path: Path, dtype: torch.dtype) -> None:
    recipe = Recipe(small(tmp_path / "data"), "mean", 8, dtype)
    cache_features(recipe, encode, tmp_path / "cache", say=silent, batch=3)
    pictures = Reading(mix(tmp_path / "data"), 1).batch(range(15))
    kept = Reading(read.as_features(mix(tmp_path / "data"), [recipe], str(tmp_path / "cache")), 1).batch(range(15))
    assert kept.captions == pictures.captions
    assert torch.equal(kept.x_1, encode(pictures.x_1.float() / 255).to(dtype).float())


def test_the_files_are_plain_safetensors_of_the_size_that_was_told(tmp_path: Path) -> None:
    recipe, said = Recipe(small(tmp_path / "data"), "mean", 8), list[str]()
    folder = cache_features(recipe, encode, tmp_path / "cache", say=said.append)
    files = sorted(folder.glob("*.safetensors"))
    shape = Shape(2, 3, torch.bfloat16)
    total = sum(f.stat().st_size for f in files)
    assert total == 3 * shape.bytes(5)
    assert said == [f"features of 15 pictures, 2 x 3 in bfloat16: {write.in_bytes(total)} -> {folder}"]
    held = load_file(files[1])
    assert held["tokens"].shape == (5, 2, 3)
    assert held["tokens"].dtype == torch.bfloat16
    assert held["sound"].tolist() == [1] * 5


def test_an_interrupted_cache_goes_on_and_ranks_share_it(tmp_path: Path) -> None:
    recipe = Recipe(small(tmp_path / "data"), "mean", 8)
    whole = cache_features(recipe, encode, tmp_path / "whole", say=silent)
    calls = []

    def breaks(pictures: Tensor) -> Tensor:
        calls.append(len(pictures))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return encode(pictures)

    with pytest.raises(KeyboardInterrupt):
        cache_features(recipe, breaks, tmp_path / "cache", say=silent, batch=4)
    own = tmp_path / "cache" / recipe.key
    assert sorted(p.name for p in own.iterdir()) == ["000000.safetensors", "about.json"]
    with pytest.raises(ShardError, match="1 of 3 files are there; make cache makes the others"):
        read.as_features(mix(tmp_path / "data"), [recipe], str(tmp_path / "cache"))
    for rank, there in ((0, [0, 2]), (1, [0, 1, 2])):
        assert cache_features(recipe, breaks, tmp_path / "cache", say=silent, batch=4, rank=rank, ranks=2) == own
        assert sorted(p.name for p in own.glob("*.safetensors")) == [f"{k:06d}.safetensors" for k in there]
    done = len(calls)
    cache_features(recipe, breaks, tmp_path / "cache", say=silent)
    assert len(calls) == done
    for file in sorted(whole.glob("*.safetensors")):
        assert (own / file.name).read_bytes() == file.read_bytes()


def test_another_encoder_size_dtype_or_corpus_is_another_cache(tmp_path: Path) -> None:
    a = small(tmp_path / "a")
    build(made.sound(tmp_path / "b", 3, 4))
    b = corpus.opened("b", [str(tmp_path / "b")])
    recipes = [
        Recipe(a, "x", 8),
        Recipe(a, "y", 8),
        Recipe(a, "x", 9),
        Recipe(a, "x", 8, torch.float16),
        Recipe(b, "x", 8),
    ]
    assert len({r.key for r in recipes}) == 5
    with pytest.raises(ShardError, match="no features of this encoder, size, dtype and corpus"):
        read.as_features(mix(tmp_path / "a"), recipes[:1], str(tmp_path / "cache"))
    with pytest.raises(ShardError, match="crop: random"):
        read.as_features(mix(tmp_path / "a", crop="random"), recipes[:1], str(tmp_path / "cache"))


def test_a_picture_that_does_not_decode_is_named_and_replaced_as_it_would_be_by_itself(tmp_path: Path) -> None:
    parts = made.members(range(12))
    parts[10] = (parts[10][0], b"\xff\xd8 none")
    build([str(made.write(tmp_path / "data" / "a.tar", parts))])
    recipe, said = Recipe(corpus.opened("a", [str(tmp_path / "data")]), "mean", 8, torch.float32), list[str]()
    cache_features(recipe, encode, tmp_path / "cache", say=said.append)
    assert "a.tar: 000005.jpg: is not a picture" in said[1]
    pictures = Reading(mix(tmp_path / "data"), 1).batch(range(12))
    kept = Reading(read.as_features(mix(tmp_path / "data"), [recipe], str(tmp_path / "cache")), 1).batch(range(12))
    assert kept.captions == pictures.captions
    assert [t.told for t in kept.troubles] == ["there was no picture to encode"]


def test_a_flipped_bit_is_no_feature(tmp_path: Path) -> None:
    recipe = Recipe(small(tmp_path / "data"), "mean", 8)
    folder = cache_features(recipe, encode, tmp_path / "cache", say=silent)
    path = folder / "000001.safetensors"
    data = bytearray(path.read_bytes())
    data[-10] ^= 4
    path.write_bytes(data)
    shown = Reading(read.as_features(mix(tmp_path / "data"), [recipe], str(tmp_path / "cache")), 1).batch(range(15))
    assert [(Path(t.shard).name, t.member, t.kind) for t in shown.troubles] == [
        ("000001.safetensors", "row 4", "damaged features")
    ]
    path.write_bytes(data[:-20])
    with pytest.raises(ShardError, match=r"000001\.safetensors: is damaged"):
        Reading(read.as_features(mix(tmp_path / "data"), [recipe], str(tmp_path / "cache")), 1).batch(range(15))


def test_a_disk_without_room_is_noticed_before_anything_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    recipe = Recipe(small(tmp_path / "data"), "mean", 8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(400))
    calls = []
    with pytest.raises(ShardError, match=r"\d+ B are needed there, but 400 B are free"):
        cache_features(recipe, lambda p: calls.append(len(p)) or encode(p), tmp_path / "cache", say=silent)  # type: ignore[func-returns-value]
    assert calls == [1]  # the one that told the shape
    assert not (tmp_path / "cache").exists()


def test_what_the_dtype_cannot_hold_is_refused(tmp_path: Path) -> None:
    recipe = Recipe(small(tmp_path / "data"), "mean", 8, torch.float16)
    with pytest.raises(ShardError, match="not finite in"):
        cache_features(recipe, lambda p: encode(p) + 1e6, tmp_path / "cache", say=silent)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_features_elsewhere_read_the_same(tmp_path: Path) -> None:
    recipe = Recipe(small(tmp_path / "data"), "mean", 8)
    folder = cache_features(recipe, encode, tmp_path / "cache", say=silent)
    fs = fsspec.filesystem("memory")
    for path in folder.iterdir():
        fs.pipe_file(f"/features/{recipe.key}/{path.name}", path.read_bytes())
    here, there = (
        Reading(read.as_features(mix(tmp_path / "data"), [recipe], place), 1).batch(range(30))
        for place in (str(tmp_path / "cache"), "memory://features")
    )
    assert here.captions == there.captions
    assert torch.equal(here.x_1, there.x_1)


def test_the_papers_cache_is_told_before_it_is_made() -> None:
    shape = Shape(64, 1792, torch.bfloat16)
    assert write.in_bytes(25_000_000 * shape.row) == "5.73 TB"
    assert shape.bytes(10_000) - 10_000 * shape.row < 60_000
    assert np.prod([64, 1792, 2]) == shape.row
