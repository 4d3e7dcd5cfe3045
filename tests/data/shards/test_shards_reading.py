"""Reading samples of shards at random: the right bytes, upright squares, failures named and replaced alike."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import fsspec
import numpy as np
import pytest
import shards as made
import torch
from PIL import Image

from headtohead.data import mixture
from headtohead.data.shard_batches import Loader, Reading, Steps, Tally
from headtohead.data.shards import corpus, images, index, locations, reader
from headtohead.data.shards.build_index import build
from headtohead.data.shards.images import PictureError
from headtohead.data.shards.index import Trouble
from headtohead.data.shards.locations import ShardError
from headtohead.data.shards.reader import Found, Reader


def opened(data: str, **settings: object) -> mixture.Mix:
    own = {k: settings.pop(k) for k in ("captions", "short_captions") if k in settings}
    return mixture.opened(
        mixture.mix({"corpora": {"a": {"data": data, **own}}, "size": 8, "max_damaged": 1, **settings})
    )


def numbers(batch: object) -> list[tuple[int, int]]:
    """Of each caption and of its picture."""
    captions, x_1 = batch[:2]  # type: ignore[index]
    pairs = zip(captions, x_1.permute(0, 2, 3, 1).numpy(), strict=True)
    return [(int(c.split()[1].strip(",.")), made.number_of(x)) for c, x in pairs]


def test_every_picture_comes_with_its_own_caption(tmp_path: Path) -> None:
    build(made.sound(tmp_path, 3, 12))
    batch = Reading(opened(str(tmp_path)), 0).batch(range(36))
    pairs = numbers(batch)
    assert sorted(c for c, _ in pairs) == list(range(36))
    assert all(caption == picture for caption, picture in pairs)
    assert batch.x_1.shape == (36, 3, 8, 8)
    assert batch.x_1.dtype == torch.uint8


def test_an_address_elsewhere_reads_the_same(tmp_path: Path) -> None:
    paths = made.sound(tmp_path / "here", 3, 6)
    fs = fsspec.filesystem("memory")
    for path in paths:
        fs.pipe_file(f"/there/{Path(path).name}", Path(path).read_bytes())
    build(paths)
    build(locations.shards(["memory://there"]), str(tmp_path / "indices"))
    given = {"corpora": {"a": {"data": "memory://there", "index": str(tmp_path / "indices")}}, "size": 8, "block": 2}
    far = Reading(mixture.opened(mixture.mix(given)), 4).batch(range(18))
    here = Reading(opened(str(tmp_path / "here"), block=2), 4).batch(range(18))
    assert far.captions == here.captions
    assert torch.equal(far.x_1, here.x_1)
    assert not [name for name in fs.find("/there") if name.endswith(".index")]


def test_detailed_and_short_captions_nine_to_one(tmp_path: Path) -> None:
    build(made.told_twice(tmp_path, 4, 50))
    mix = opened(str(tmp_path), short_captions="json:short", short=0.1)
    told = Reading(mix, 0).batch(range(200)).captions
    assert sum("told at length" not in c for c in told) == 20
    short = Reading(opened(str(tmp_path), captions="json:short"), 0).batch(range(9)).captions
    assert all("told" not in c for c in short)


def test_squares_keep_the_aspect_and_are_upright() -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80, 0] = 200
    wide[:, 80:, 1] = 200
    png = encoded(Image.fromarray(wide))
    assert close(images.square(png, 20), (200, 0, 0))
    assert close(images.square(png, 20, x=0.0), (0, 0, 0))
    assert close(images.square(png, 20, x=1.0), (0, 200, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # held turned: a quarter clockwise makes it upright
    turned = Image.fromarray(wide).rotate(90, expand=True)
    out = io.BytesIO()
    turned.save(out, "jpeg", exif=exif, quality=95)
    assert close(images.square(out.getvalue(), 20, x=0.0), (0, 0, 0), 12)
    assert close(images.square(out.getvalue(), 20, x=1.0), (0, 200, 0), 12)


def test_a_large_jpeg_is_decoded_at_a_fraction_and_looks_the_same() -> None:
    x, y = np.meshgrid(np.linspace(0, 255, 800), np.linspace(0, 255, 640))
    picture = Image.fromarray(np.stack([x, y, 255 - x], -1).astype(np.uint8))
    out = io.BytesIO()
    picture.save(out, "jpeg", quality=95)
    assert images.opened(out.getvalue(), 64).size == (200, 160)
    error = images.square(out.getvalue(), 64).astype(int) - images.square(encoded(picture), 64)
    assert abs(error).max() <= 4


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "CMYK", "I;16"])
def test_pictures_of_every_mode_become_rgb(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 8), 204 * 257, np.uint16))
    else:
        image = Image.new("RGB", (8, 8), (204, 204, 204)).convert(mode)
    out = io.BytesIO()
    image.save(out, "jpeg" if mode == "CMYK" else "png")
    found = images.square(out.getvalue(), 4)
    assert found.shape == (4, 4, 3)
    assert close(found, (204, 204, 204), 3)


def test_what_is_transparent_becomes_white() -> None:
    assert close(images.square(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0))), 4), (255, 255, 255))


def test_bytes_that_are_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    jpg, png = made.picture(1, 200, 200), encoded(Image.new("RGB", (64, 64)))
    gif = io.BytesIO()
    Image.new("RGB", (8, 8)).save(gif, "gif")
    for data in (b"", b"none", jpg[:300], jpg[: len(jpg) // 2], png[:-20], gif.getvalue()):
        with pytest.raises(PictureError, match="is not a picture"):
            images.square(data, 8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(PictureError, match="exceeds limit"):
        images.square(png, 8)


def encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "png")
    return out.getvalue()


def close(found: np.ndarray, colour: tuple[int, int, int], most: int = 2) -> bool:
    inner = found[2:-2, 2:-2] if len(found) > 8 else found  # a cut's edge is blended with what lies beyond
    return bool((abs(inner.astype(int) - np.array(colour)) <= most).all())


def test_a_random_crop_is_a_function_of_seed_and_position(tmp_path: Path) -> None:
    build([str(made.write(tmp_path / "a.tar", [("a.jpg", ramp()), ("a.txt", b"a ramp")]))])
    mix = opened(str(tmp_path), crop="random")
    one, again, other = (Reading(mix, seed).batch(range(8)).x_1 for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert len({float(x.float().mean()) for x in one}) > 4  # each epoch cuts it elsewhere


def ramp() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.tile(np.linspace(0, 255, 256).astype(np.uint8), (16, 1))).convert("RGB").save(out, "jpeg")
    return out.getvalue()


def damaged(folder: Path) -> list[str]:
    """Of 60 samples, two pictures that do not decode and one JSON without its key."""
    paths = []
    for s in range(3):
        parts = []
        for n in range(s * 20, s * 20 + 20):
            picture = b"\xff\xd8 none" if n in (7, 33) else made.picture(n)
            key = "other" if n == 41 else "long"
            parts += [(f"{n:06d}.jpg", picture), (f"{n:06d}.json", json.dumps({key: f"number {n}"}).encode())]
        paths.append(str(made.write(folder / f"{s}.tar", parts)))
    return paths


def test_samples_that_fail_are_named_and_replaced_by_the_same_ones_everywhere(tmp_path: Path) -> None:
    build(damaged(tmp_path))
    mix = opened(str(tmp_path), captions="json:long", block=2)
    whole = Reading(mix, 0).batch(range(60))
    assert {(Path(t.shard).name, t.member) for t in whole.troubles} == {
        ("0.tar", "000007.jpg"), ("1.tar", "000033.jpg"), ("2.tar", "000041.jpg"),
    }  # fmt: skip
    assert sorted(set(range(60)) - {caption for caption, _ in numbers(whole)}) == [7, 33, 41]
    assert all(caption == picture for caption, picture in numbers(whole))
    alone = [Reading(mix, 0).batch([k]) for k in range(61)]
    for k, batch in enumerate(alone[:60]):
        if batch.troubles:
            assert batch.captions == alone[k + 1].captions  # the next position's stands in
    for ranks in (3, 4):
        parts = [Reading(mix, 0).batch(range(rank, 60, ranks)) for rank in range(ranks)]
        captions = [parts[k % ranks].captions[k // ranks] for k in range(60)]
        assert captions == whole.captions


@pytest.mark.parametrize("workers", [0, 1])
def test_more_failures_than_may_be_end_the_run_in_one_line(tmp_path: Path, workers: int) -> None:
    build(damaged(tmp_path))
    mix = opened(str(tmp_path), captions="json:long")
    tally = Tally(most=0.002)
    steps = Steps(mix, seed=0, batch=20, start=0, stop=100)
    loader = Loader(steps, tally, workers=workers, context="fork" if workers else None)
    with pytest.raises(ShardError, match=r"\.tar: 0000\d\d\.jpg: .* 3 of \d+ samples failed, and max_damaged=0\.002"):
        list(loader)
    assert tally.failed == 3
    assert {row["member"] for row in tally.plain()["troubles"]} == {"000007.jpg", "000033.jpg", "000041.jpg"}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corpus_without_the_captions_asked_for_ends_in_one_line(tmp_path: Path, workers: int) -> None:
    build(made.sound(tmp_path, 1, 5))
    steps = Steps(opened(str(tmp_path), captions="json:long"), seed=0, batch=2, start=0, stop=1)
    with pytest.raises(ShardError, match=r"has no \.json with text beside it.*one after the other") as caught:
        list(Loader(steps, Tally(1.0), workers=workers, context="fork" if workers else None))
    assert "\n" not in str(caught.value)


def test_bytes_that_moved_since_the_index_are_no_sample(tmp_path: Path) -> None:
    path = Path(made.sound(tmp_path, 1, 4)[0])
    build([str(path)])
    reader = Reader(corpus.opened("a", [str(path)]), 1)
    assert all(isinstance(f, Found) for f in reader.fetch([(0, row) for row in range(4)], ("picture", "txt")))
    at = made.header_of(path, "000002.jpg")
    made.overwrite(path, at + 20, b"\xa5" * 40)  # while it is open
    found = reader.fetch([(0, row) for row in range(4)], ("picture", "txt"))
    assert [isinstance(f, Trouble) for f in found] == [False, False, True, False]
    os.truncate(path, made.header_of(path, "000000.txt"))
    assert isinstance(reader.fetch([(0, 3)], ("picture",))[0], Trouble)
    reader.close()
    with pytest.raises(ShardError, match="has changed since its index was made"):
        reader.fetch([(0, 0)], ("picture",))


def test_a_shard_that_was_indexed_anew_under_a_run_is_refused(tmp_path: Path) -> None:
    path = made.sound(tmp_path, 1, 4)[0]
    build([path])
    reader = Reader(corpus.opened("a", [path]), 1)
    made.write(Path(path), made.members(range(3)))
    build([path])
    with pytest.raises(ShardError, match="indexed again"):
        reader.fetch([(0, 0)], ("picture",))


def test_a_network_that_fails_for_a_while_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/flaky/0.tar", Path(made.sound(tmp_path, 1, 4)[0]).read_bytes())
    build(["memory:///flaky/0.tar"])
    own = Reader(corpus.opened("a", ["memory://flaky"]), 1)
    asked, paused = [], []
    answer = type(fs).cat_ranges

    def flaky(self: object, *args: object, **kwargs: object) -> object:
        asked.append(args)
        if len(asked) % 4:
            raise TimeoutError("no answer")
        return answer(self, *args, **kwargs)

    monkeypatch.setattr(type(fs), "cat_ranges", flaky)
    monkeypatch.setattr(reader.time, "sleep", paused.append)
    assert all(isinstance(f, Found) for f in own.fetch([(0, 0), (0, 3)], ("picture", "txt")))
    assert paused == [2.0, 4.0, 8.0]
    asked.append(())
    monkeypatch.setattr(reader, "TRIES", 2)
    with pytest.raises(ShardError, match=r"memory:///flaky/0\.tar: cannot be read \(no answer\)"):
        own.fetch([(0, 0)], ("picture",))


def test_the_fingerprint_of_a_corpus_is_that_of_what_it_holds(tmp_path: Path) -> None:
    marks = []
    for folder, each in (("a", 3), ("b", 3), ("c", 4)):
        paths = made.sound(tmp_path / folder, 2, each)
        build(paths)
        marks.append(corpus.opened(folder, paths).fingerprint)
    assert marks[0] == marks[1] != marks[2]
    assert index.summary(paths[0]) is not None
