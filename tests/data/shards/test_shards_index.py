"""The index of tar shards: every damaged member is named, nothing is opened that is not a picture or caption."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import shards as made

from headtohead.data.shards import corpus, index, locations, members, tar
from headtohead.data.shards.__main__ import main
from headtohead.data.shards.build_index import build
from headtohead.data.shards.locations import ShardError


def damaged(folder: Path) -> dict[str, tuple[str, str]]:
    """100 shards of 20 samples, eight of them damaged; by name of the shard, member and what is said of it."""
    paths = [Path(p) for p in made.sound(folder, 92, 2)]
    for k in range(92, 100):
        paths.append(made.write(folder / f"{k:05d}.tar", made.members(range(20))))
    cut, header, picture, empty, pickled, lone, twice, zeros = paths[92:]
    place = made.header_of(cut, "000009.jpg") + 512 + 100
    os.truncate(cut, place)
    made.overwrite(header, made.header_of(header, "000004.jpg"), b"\xa5" * 512)
    made.overwrite(picture, made.header_of(picture, "000003.jpg") + 512, b"\xa5" * 300)
    made.overwrite(empty, made.header_of(empty, "000005.txt") + 512, b" " * len(made.told(5)))

    class Opened:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder / "pickled"),)

    parts = made.members(range(20))
    made.write(pickled, [*parts[:6], ("000003.pkl", pickle.dumps(Opened())), *parts[6:]])
    made.write(lone, [*parts[:6], *parts[7:]])
    made.write(twice, [*parts, *made.members([7])])
    made.overwrite(zeros, made.header_of(zeros, "000011.jpg"), bytes(512))
    return {
        cut.name: ("000009.jpg", "cut short"),
        header.name: (f"byte {made.header_of(empty, '000004.jpg')} (after 000003.txt)", "no tar header"),
        picture.name: ("000003.jpg", "is not a picture"),
        empty.name: ("000005.txt", "empty caption"),
        pickled.name: ("000003.pkl", "not opened"),
        lone.name: ("000003", "has no picture"),
        twice.name: ("000007", "earlier sample"),
        zeros.name: (f"byte {made.header_of(empty, '000011.jpg')} (after 000010.txt)", "zeros where"),
    }


def test_of_a_hundred_shards_every_damaged_member_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = damaged(tmp_path)
    data = str(tmp_path / "{00000..00099}.tar")
    assert main([data, "--verify", "--workers", "1", "--max-damaged", "0.1", "--quiet"]) == 0
    said = capsys.readouterr().err
    for shard, (member, told) in wanted.items():
        assert any(f"{shard}: {member}: " in line and told in line for line in said.splitlines()), (shard, said)
    report = build(locations.shards([data]), verify=True)
    assert report.made == 0
    # The headers that are lost take a caption's picture with them; what the cut one lost is estimated by the others.
    assert report.samples == 92 * 2 + 9 + 19 + 19 + 19 + 20 + 19 + 20 + 19
    assert report.plain()["kinds"] == {
        "cut short": 1, "damaged header or member": 2, "no picture": 4, "empty caption": 1, "unexpected member": 1,
        "duplicate": 1,
    }  # fmt: skip
    assert not (tmp_path / "pickled").exists()
    assert main([data, "--workers", "1", "--quiet"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "00000.tar and 99 more" in last
    assert "where 1.00% may be" in last
    with pytest.raises(ShardError, match="may be"):
        corpus.opened("all", [data], max_damaged=0.01)
    assert corpus.report(corpus.opened("all", [data])).plain()["troubles"] == report.plain()["troubles"]


def test_what_a_cut_shard_lost_counts(tmp_path: Path) -> None:
    paths = made.sound(tmp_path, 4, 20)
    os.truncate(paths[0], made.header_of(Path(paths[0]), "000010.jpg"))
    assert build(paths).lost == 10


def test_a_cut_between_two_members_is_no_end(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.tar", made.members(range(3)))
    os.truncate(path, made.header_of(path, "000002.jpg"))
    found = members.read(str(path))
    assert found.summary.samples == 2
    assert found.summary.cut
    assert "mark of a tar's end" in found.troubles[0].told


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_gnu_and_pax(tmp_path: Path, kind: int) -> None:
    stem = "dir/" + "ä" * 150
    parts = [(stem + name, data) for name, data in made.members(range(3))]
    path = made.write(tmp_path / "a.tar", parts, kind)
    with path.open("rb") as f:
        names = [m.name for m in tar.walk(f, path.stat().st_size) if isinstance(m, tar.Member)]
    assert names == [name for name, _ in parts]
    assert members.read(str(path)).summary.samples == 3


def test_global_headers_folders_other_kinds_of_members_and_names_that_are_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "a set"}) as out:
        for name, kind in (("a", tarfile.DIRTYPE), ("a/link.jpg", tarfile.SYMTYPE), ("a/.hidden", tarfile.REGTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            out.addfile(info)
        for name, data in made.members([1]):
            info = tarfile.TarInfo(f"a/{name.upper()}")
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    found = members.read(str(path))
    assert found.summary.samples == 1
    assert [t.member for t in found.troubles] == ["a/link.jpg", "a/.hidden"]


def test_pictures_of_three_kinds_and_captions_of_two(tmp_path: Path) -> None:
    parts = [
        ("a.jpg", made.picture(1)), ("a.txt", b"one"), ("b.json", b'{"caption": "two"}'),
        ("b.png", made.picture(2, kind="png")), ("c.webp", made.picture(3, kind="webp")), ("c.txt", b"three"),
        ("d.jpg", made.picture(4)), ("d.json", b"[1]"), ("e.jpg", made.picture(5)), ("e.txt", b"\xff\xfe"),
        ("f.jpg", b""), ("f.txt", b"six"), ("g.jpg", made.picture(7)),
        ("g.png", made.picture(7, kind="png")), ("g.txt", b"7"),
    ]  # fmt: skip
    found = members.read(str(made.write(tmp_path / "a.tar", parts)))
    assert found.summary.samples == 3
    assert [found.part("txt", row) is None for row in range(3)] == [False, True, False]
    assert [(t.member, t.kind) for t in found.troubles] == [
        ("d.json", "no caption"), ("e.txt", "no caption"), ("f.jpg", "no picture"), ("g.png", "duplicate"),
    ]  # fmt: skip


def pairs(path: Path) -> dict[str, bytes]:
    """What the index says a shard holds: caption by picture's bytes, read by hand."""
    found, data = members.read(str(path)), path.read_bytes()
    out = {}
    for row in range(found.summary.samples):
        (at, size), (text, length) = found.part("picture", row), found.part("txt", row)  # type: ignore[misc]
        out[data[text : text + length].decode()] = data[at : at + size]
    return out


def test_damage_anywhere_never_makes_a_wrong_sample_nor_a_shorter_shard_in_silence(tmp_path: Path) -> None:
    # Pictures of more bytes than are ever taken out: a tar without a whole sample is a tar, and nothing tells it.
    parts = made.members(range(12), more=6200)
    whole = made.write(tmp_path / "whole.tar", parts)
    right = pairs(whole)
    filled = made.header_of(whole, "000011.txt") + 512 + len(parts[-1][1])  # behind it there are only zeros
    draw = np.random.default_rng(5)
    path = tmp_path / "damaged.tar"
    for trial in range(400):
        data = bytearray(whole.read_bytes())
        at = int(draw.integers(filled - 1))
        missing = int(draw.integers(1, 5000)) if trial % 8 < 4 else 512 * int(draw.integers(1, 12))
        if trial % 4 == 0:
            del data[at:]
        elif trial % 4 == 1:
            del data[at : min(at + missing, filled - 1)]
        elif trial % 4 == 2:
            data[at:at] = draw.bytes(missing)
        else:
            place = made.header_of(whole, parts[int(draw.integers(len(parts)))][0])
            data[place : place + 512] = bytes(512) if trial % 8 == 3 else draw.bytes(512)
        path.write_bytes(data)
        found = members.read(str(path))
        got = pairs(path)
        assert found.summary.samples == len(got)
        assert got.items() <= right.items(), (trial, at, missing)
        assert trial % 4 < 3 or len(got) == len(right) - 1  # a header costs its own sample and no other
        assert found.troubles or len(got) == len(right), (trial, at, missing)


def test_a_header_of_a_wrong_size_does_not_cut_its_member_in_silence(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.tar", made.members(range(3)))
    at = made.header_of(path, "000001.txt")
    with tarfile.open(path) as whole:
        info = whole.getmember("000001.txt")
    info.size -= 1
    made.overwrite(path, at, info.tobuf(tarfile.USTAR_FORMAT))
    assert sorted(pairs(path)) == [made.told(0), made.told(2)]
    assert members.read(str(path)).troubles[0][1:3] == (
        "000001.txt", "damaged header or member",
    )  # fmt: skip


def test_bytes_missing_from_a_picture_cost_its_own_sample_alone(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.tar", made.members(range(4), more=6000))
    at, data = made.header_of(path, "000001.jpg") + 1000, path.read_bytes()
    path.write_bytes(data[:at] + data[at + 6 * 512 :])  # so that two more headers stand where the picture should be
    assert sorted(pairs(path)) == [made.told(n) for n in (0, 2, 3)]
    assert members.read(str(path)).troubles[0].member == "000001.jpg"


def test_a_file_that_is_no_whole_number_of_blocks_lost_something(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.tar", made.members(range(3)))
    at, data = made.header_of(path, "000002.jpg"), path.read_bytes()
    path.write_bytes(data[:at] + data[made.header_of(path, "000002.txt") + 512 + 100 :])  # the rest is zeros
    assert sorted(pairs(path)) == [made.told(0), made.told(1)]
    assert "not a whole number of tar blocks" in members.read(str(path)).troubles[0].told


def test_an_index_takes_24_bytes_a_sample_and_comes_back_as_it_was(tmp_path: Path) -> None:
    path = made.sound(tmp_path, 1, 50)[0]
    build([path])
    found, again = members.read(path), index.load(path)
    assert sum(c.nbytes for c in again.columns.values()) == 24 * 50
    assert again.summary == found.summary
    assert all(np.array_equal(again.columns[name], found.columns[name]) for name in found.columns)
    assert os.path.getsize(locations.index_of(path)) < 24 * 50 + 800


def test_an_index_older_than_its_shard_is_refused_and_made_anew(tmp_path: Path) -> None:
    paths = made.sound(tmp_path, 2, 3)
    with pytest.raises(ShardError, match="has no index"):
        corpus.opened("a", paths)
    build(paths)
    os.utime(paths[1], ns=(1, 1))
    with pytest.raises(ShardError, match=r"00001\.tar: has changed since .* \(written since\); make index"):
        corpus.opened("a", paths)
    assert build(paths).made == 1
    made.write(Path(paths[0]), made.members(range(9)))
    with pytest.raises(ShardError, match="bytes then"):
        corpus.opened("a", paths)


def test_a_damaged_index_is_refused_and_made_anew(tmp_path: Path) -> None:
    path = made.sound(tmp_path, 1, 3)[0]
    build([path])
    place = Path(locations.index_of(path))
    data = bytearray(place.read_bytes())
    data[-70] ^= 1
    place.write_bytes(data)
    with pytest.raises(ShardError, match="damaged or no index"):
        index.load(path)
    place.write_bytes(data[:100])
    with pytest.raises(ShardError, match="damaged or no index"):
        corpus.opened("a", [path])
    assert build([path]).made == 1


def test_several_processes_make_the_same_indices_in_a_folder_of_their_own(tmp_path: Path) -> None:
    paths = made.sound(tmp_path / "shards", 3, 2)
    one = build(paths, str(tmp_path / "one"))
    two = build(paths, str(tmp_path / "two"), workers=2)
    assert one.summaries == two.summaries
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.index"))
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert not list((tmp_path / "shards").glob("*.index"))
    other = made.sound(tmp_path / "others", 3, 2)
    assert {locations.index_of(p, "d") for p in paths}.isdisjoint(locations.index_of(p, "d") for p in other)


def test_where_shards_lie(tmp_path: Path) -> None:
    paths = made.sound(tmp_path / "a", 12, 1)
    assert locations.shards([str(tmp_path / "a")]) == paths
    assert locations.shards([str(tmp_path / "a" / "0000*.tar")]) == paths[:10]
    assert locations.shards([str(tmp_path / "a" / "{00008..00010}.tar"), paths[9]]) == paths[8:11]
    assert locations.braces("x{a,b}{9..11}") == ["xa9", "xa10", "xa11", "xb9", "xb10", "xb11"]


def test_shards_elsewhere(tmp_path: Path) -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    path = made.sound(tmp_path, 1, 5)[0]
    for n in range(2):
        fs.pipe_file(f"/indexed/{n}.tar", Path(path).read_bytes())
    found = locations.shards(["memory://indexed"])
    assert found == locations.shards(["memory://indexed/*.tar"]) == locations.shards(["memory://indexed/{0..1}.tar"])
    assert build(found).samples == 10
    assert corpus.opened("a", ["memory://indexed"]).samples == 10
    assert index.load(found[0]).summary.crc == members.read(path).summary.crc
    fs.pipe_file("/indexed/1.tar", Path(path).read_bytes())
    with pytest.raises(ShardError, match=r"memory://.*1\.tar: has changed"):
        corpus.opened("a", ["memory://indexed"])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (["{tmp}/none.tar"], "none.tar: no such file"),
        (["{tmp}/none*"], "no shards (*.tar) there"),
        (["{tmp}"], "no shards (*.tar) there"),
        (["nowhere://x/y.tar"], "nowhere://x/y.tar: Protocol not known"),
        (["{tmp}/packed.tar.gz"], "is compressed (gzip)"),
        (["{tmp}/page.html"], "no sound sample"),
        (["{tmp}/{{3..1}}.tar"], "runs backwards"),
    ],
)
def test_bad_places_are_one_line(
    tmp_path: Path, data: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "packed.tar.gz").write_bytes(b"\x1f\x8b" + bytes(2000))
    (tmp_path / "page.html").write_text("<html>403</html>" * 100)
    assert main([d.format(tmp=tmp_path) for d in data] + ["--workers", "1", "--quiet"]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_place_that_cannot_be_written_names_the_way_out(tmp_path: Path) -> None:
    path = made.sound(tmp_path, 1, 1)[0]
    (tmp_path / "file").write_text("")
    with pytest.raises(ShardError, match="cannot be written"):
        build([path], str(tmp_path / "file"))
