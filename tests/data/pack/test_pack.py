"""From a folder of pictures and captions to shards that a run trains on: what is packed is what batches show."""

from __future__ import annotations

import csv
import json
import os
import tarfile
from pathlib import Path

import pytest
import shards as made

from headtohead.data import mixture
from headtohead.data.pack import write
from headtohead.data.pack.__main__ import main
from headtohead.data.pack.listing import listed
from headtohead.data.shard_batches import Steps
from headtohead.utils.errors import InputError


def folder(root: Path, numbers: range, texts: bool = True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for n in numbers:
        (root / f"picture {n}.v1.jpg").write_bytes(made.picture(n))
        if texts:
            (root / f"picture {n}.v1.txt").write_text(f"{made.told(n)}\n")
    return root


def batches(mix: Path, steps: int, size: int = 8) -> list[tuple[str, int]]:
    """Caption and number of the picture of every sample that a run of so many steps of 4 sees."""
    config = mixture.read(str(mix))
    opened = mixture.opened(mixture.MixConfig(corpora=config.corpora, size=size))
    return [
        (caption, made.number_of(picture.permute(1, 2, 0).numpy()))
        for batch in Steps(opened, seed=3, batch=4, start=0, stop=steps)
        for caption, picture in zip(batch.captions, batch.x_1, strict=True)
    ]


def error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*arguments, "--workers", "1"]) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_what_is_packed_is_what_batches_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = folder(tmp_path / "pictures", range(20))
    folder(pictures / "below", range(20, 24))
    out = tmp_path / "cats and dogs"
    assert main([str(pictures), str(out), "--per-shard", "10", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("24 pictures in 3 shards, ")
    assert f'SET="data.mix={out}/mix.yaml evaluation.held_out=2"' in said
    assert sorted(batches(out / "mix.yaml", 6)) == sorted((made.told(n), n) for n in range(24))
    with tarfile.open(out / "00000.tar") as tar:
        assert len(tar.getnames()) == 20
    assert list(mixture.read(str(out / "mix.yaml")).corpora) == ["cats_and_dogs"]


def test_shards_are_shuffled_and_the_same_whatever_packs_them(tmp_path: Path) -> None:
    found = listed(folder(tmp_path / "pictures", range(12)))
    write.pack(found, tmp_path / "one", per_shard=4)
    write.pack(found, tmp_path / "other", per_shard=4, workers=2)
    for shard in ("00000.tar", "00001.tar", "00002.tar"):
        assert (tmp_path / "one" / shard).read_bytes() == (tmp_path / "other" / shard).read_bytes()
    with tarfile.open(tmp_path / "one" / "00000.tar") as tar:
        assert sorted(tar.getnames()) != [f"{k:08d}-picture_{k}_v1.{e}" for k in range(4) for e in ("jpg", "txt")]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_picture_with_several_captions_shows_another_one_at_times(tmp_path: Path, ending: str) -> None:
    pictures, file = folder(tmp_path / "pictures", range(4), texts=False), tmp_path / f"captions.{ending}"
    rows = [(f"picture {n}.v1.jpg", f"{made.told(n)}{way}") for n in range(4) for way in (" (a)", " (b)", " (c)")]
    with file.open("w", newline="") as f:
        if ending == "csv":
            csv.writer(f).writerows([("file", "caption"), *rows])
        else:
            f.writelines(json.dumps({"file": name, "caption": caption}) + "\n" for name, caption in rows[:9])
            f.write(json.dumps({"file": rows[9][0], "caption": [caption for _, caption in rows[9:]]}) + "\n")
    assert main([str(pictures), str(tmp_path / "out"), "--captions", str(file), "--workers", "1"]) == 0
    shown = batches(tmp_path / "out" / "mix.yaml", 30)
    assert {caption for caption, _ in shown} == {caption for _, caption in rows}
    assert all(caption.startswith(f"{made.told(n)} (") for caption, n in shown)
    assert shown == batches(tmp_path / "out" / "mix.yaml", 30)


def test_an_interrupted_packing_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, out = listed(folder(tmp_path / "pictures", range(12))), tmp_path / "out"
    own, packed = write._shard, []

    def until_the_second(path: Path, *rest: object) -> tuple[int, list[str]]:
        if len(packed) == 2:
            raise KeyboardInterrupt
        packed.append(path.name)
        return own(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "_shard", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        write.pack(found, out, per_shard=4)
    assert sorted(p.name for p in out.iterdir()) == ["00000.tar", "00001.tar", "pack.json"]
    before = (out / "00001.tar").stat().st_mtime_ns
    packed.clear()
    assert write.pack(found, out, per_shard=4).samples == 12
    assert packed == ["00002.tar"]
    assert (out / "00001.tar").stat().st_mtime_ns == before


def test_other_pictures_do_not_go_into_the_same_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, out = folder(tmp_path / "pictures", range(4)), tmp_path / "out"
    assert main([str(pictures), str(out), "--workers", "1"]) == 0
    (pictures / "picture 0.v1.txt").write_text("another caption")
    assert "holds shards of other pictures, captions or sizes" in error([str(pictures), str(out)], capsys)
    (out / "pack.json").unlink()
    assert "holds shards that were not packed here" in error([str(pictures), str(out)], capsys)
    (out / "pack.json").write_text("{")
    assert "pack.json: damaged" in error([str(pictures), str(out)], capsys)


def test_what_cannot_be_packed_is_named_and_left_out_when_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = folder(tmp_path / "pictures", range(4)), tmp_path / "out"
    given = [str(pictures), str(out)]
    (pictures / "damaged.jpg").write_bytes(made.picture(7)[:200])
    (pictures / "damaged.txt").write_text("half a picture")
    assert "damaged.jpg: is not a picture" in error(given, capsys)
    assert not list(out.glob("*.tar"))
    (pictures / "alone.png").write_bytes(made.picture(5, kind="png"))
    assert error(given, capsys) == f"pack: {pictures}/alone.png: no caption (alone.txt); SKIP=1 (--skip) leaves out what cannot be packed"  # noqa: E501  # fmt: skip
    (pictures / "alone.txt").write_text(" \n")
    assert "alone.txt: empty caption" in error(given, capsys)
    (pictures / "lost.txt").write_text("no picture")
    assert "alone.txt: empty caption, and 1 more" in error(given, capsys)
    out = tmp_path / "skipped"
    assert main([str(pictures), str(out), "--skip", "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("4 pictures in 1 shard, ")
    assert all(f"left out: {pictures}/{name}" in said.err for name in ("alone.txt", "lost.txt", "damaged.jpg"))
    assert len({caption for caption, _ in batches(out / "mix.yaml", 2)}) == 4


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    pictures = folder(tmp_path, range(2))
    (pictures / "picture 1.v1.png").write_bytes(made.picture(5, kind="png"))
    with pytest.raises(InputError, match=r"picture 1.v1.jpg and picture 1.v1.png have the same name"):
        listed(pictures)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.csv", "image,text\na.jpg,x\n", "c.csv: no column file, only image, text"),
        ("c.csv", "file,caption\npicture 0.v1.jpg,\n", "c.csv:2: picture 0.v1.jpg: empty caption"),
        ("c.csv", "file,caption\nno.jpg,x\n", "no.jpg: no such file"),
        ("c.csv", "file,caption\nno.gif,x\n", "no.gif: not a picture"),
        ("c.csv", "file,caption\n" + 2 * "picture 0.v1.jpg,x\n", "c.csv:3: picture 0.v1.jpg: the same caption twice"),
        ("c.jsonl", "[1]\n", 'c.jsonl:1: expected {"file": "cat.jpg", "caption": "a cat"}, got [1]'),
        ("c.jsonl", '{"file": "picture 0.v1.jpg", "caption": []}', "picture 0.v1.jpg: empty caption"),
        ("c.txt", "", "expected .csv or .jsonl"),
        ("c.csv", "file,caption\n", "no picture with a caption"),
    ],
)
def test_captions_files_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, message: str
) -> None:
    pictures = folder(tmp_path / "pictures", range(2), texts=False)
    (tmp_path / name).write_text(text)
    assert message in error([str(pictures), str(tmp_path / "out"), "--captions", str(tmp_path / name)], capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = folder(tmp_path / "pictures", range(2))
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "closed/out: cannot be written" in error([str(pictures), str(tmp_path / "closed" / "out")], capsys)


def test_a_file_where_the_folder_should_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = folder(tmp_path / "pictures", range(2))
    (tmp_path / "out").write_text("")
    assert "out: cannot be written (File exists)" in error([str(pictures), str(tmp_path / "out")], capsys)
    assert "nowhere: no such folder" in error([str(tmp_path / "nowhere"), str(tmp_path / "other")], capsys)


def test_folders_have_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["", ""])
    assert capsys.readouterr().err == "pack: argument folder: expected a folder: make pack FOLDER=pictures OUT=shards\n"
