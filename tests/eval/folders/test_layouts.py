"""What is missing, twice there or out of place in a folder is named, and counts as what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from on_disk import LINES, geneval_folder, save

from headtohead.eval.folders import layouts
from headtohead.eval.folders.images import FolderError


def said(found: layouts.Listed | layouts.Sorted) -> list[str]:
    return [line.removeprefix(f"{found.folder}/").removeprefix(f"{found.folder}: ") for line in found.troubles.lines]


def test_geneval_names_prompts_with_fewer_pictures_and_files_that_do_not_count(tmp_path: Path) -> None:
    root = geneval_folder(tmp_path / "g", samples=4)
    samples = root / "00001" / "samples"
    (samples / "0003.png").rename(samples / "0003.PNG")
    (samples / "0002.png").rename(samples / "a.png")
    save(samples / "0004.jpg")
    save(root / "00001" / "grid.png")  # the official generators write it
    shutil.copytree(root / "00002", root / "00007")
    shutil.copytree(root / "00002", root / "old_00002")
    listed = layouts.geneval(root)
    assert [(a.id, len(a.files)) for a in listed.items] == [("00000", 4), ("00001", 2), ("00002", 4)]
    assert said(listed) == [
        "00001/samples/0003.PNG: is no sample (0000.png, 0001.png, ...), and does not count",
        "00001/samples/0004.jpg: is no sample (0000.png, 0001.png, ...), and does not count",
        "00001/samples/a.png: is no sample (0000.png, 0001.png, ...), and does not count",
        "00007/metadata.jsonl: asks what 00002 asks, and does not count",
        "old_00002: is not numbered (00000, 00001, ...)",
        "00001/samples: pictures: 2, where other prompts have 4",
    ]


def test_geneval_is_held_against_its_prompts(tmp_path: Path) -> None:
    """A prompt may be asked as often as the file asks it; the same words with other objects are another prompt."""
    root = geneval_folder(tmp_path / "g", [LINES[0], LINES[0], LINES[1]])
    other = {**LINES[1], "include": [{"class": "class 9", "count": 1}]}
    assert said(layouts.geneval(root, [LINES[0], LINES[0], LINES[1]])) == []
    listed = layouts.geneval(root, [LINES[0], LINES[0], other])
    assert [a.id for a in listed.items] == ["00000", "00001"]
    assert said(listed) == [
        "00002/metadata.jsonl: asks nothing that --prompts holds, and does not count",
        "no pictures of 'a photo of a class 2'",
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[1]", "is no object of tag, include and prompt"),
        ({"tag": "bogus"}, 'tag: expected one of single_object, .*, got "bogus"'),
        ({"prompt": None}, "prompt: expected a text, got null"),
        ({"include": None}, "include: expected a list of objects, got null"),
        ({"include": []}, r"include: expected a list of objects, got \[\]"),
        ({"include": [{"class": "class 1"}]}, r"include\[0\].count: expected a whole number from 1 on, got null"),
        ({"include": [{"class": "class 1", "count": True}]}, r"include\[0\].count: expected a whole number"),
        ({"include": [{"class": "unicorn", "count": 1}]}, "'unicorn' is not among the class names"),
        ({"include": [{"class": "class 1", "count": 1, "color": "grey"}]}, r"include\[0\].color: expected one of red"),
        ({"exclude": [7]}, r"exclude\[0\]: expected an object with class and count, got 7"),
        (
            {"include": [{"class": "class 1", "count": 1, "position": ["right of", 0]}]},
            r"include\[0\].position: 0 is no earlier item",
        ),
        ({"include": [{"class": "class 1", "count": 1, "position": "above"}]}, "expected a relation and an item's"),
        ({"tag": ["single_object"]}, "tag: expected one of"),
    ],
)
def test_malformed_metadata_is_named_with_its_key(line: object, says: str, tmp_path: Path) -> None:
    root = geneval_folder(tmp_path / "g", LINES[:2], samples=1)
    text = line if isinstance(line, str) else json.dumps({**LINES[0], **line})  # type: ignore[dict-item]
    (root / "00000" / "metadata.jsonl").write_text(text)
    listed = layouts.geneval(root, names=[f"class {k}" for k in range(80)])
    assert [a.id for a in listed.items] == ["00001"]
    with pytest.raises(FolderError, match=says):
        raise FolderError(said(listed)[0])
    assert said(listed)[0].startswith("00000/metadata.jsonl: is no line of GenEval's")


def test_dpg_takes_one_picture_an_item(tmp_path: Path) -> None:
    for name in ("p0.jpg", "p0.png", "p1.png", "p9.png", "p2.bmp"):
        save(tmp_path / name)
    row = {"text": "", "item_id": "x"}
    listed = layouts.dpg(tmp_path, dict.fromkeys(("p0", "p1", "p2"), (row,)))
    assert [(a.id, a.files[0].name) for a in listed.items] == [("p0", "p0.jpg"), ("p1", "p1.png")]
    assert said(listed) == [
        "p2.bmp: is not read: pictures end in .png, .jpg, .jpeg, .webp",
        "p0.png: has the name of p0.jpg, and does not count",
        "p9.png: answers no prompt",
        "no picture of p2",
    ]


def test_categories_survive_a_stray_picture(tmp_path: Path) -> None:
    for place in ("food/a.jpg", "food/a.png", "food/b.jpg", "art/c.jpg", "art/d.bmp", "grid.png"):
        save(tmp_path / place)
    found = layouts.mjhq(tmp_path)
    assert {p.name: category for p, category in found.categories.items()} == {
        "a.jpg": "food", "b.jpg": "food", "c.jpg": "art",
    }  # fmt: skip
    assert said(found) == [
        "art/d.bmp: is not read: pictures end in .png, .jpg, .jpeg, .webp",
        "food/a.png: has the name of a.jpg, and does not count",
        "grid.png: lies outside the categories, and does not count",
    ]


def test_only_pictures_of_meta_data_count(tmp_path: Path) -> None:
    for place in ("food/a.jpg", "food/b.jpg", "food/x.jpg", "c.jpg"):
        save(tmp_path / place)
    found = layouts.mjhq(tmp_path, {"a": "food", "b": "art", "c": "art", "d": "art"})
    assert {p.name: category for p, category in found.categories.items()} == {"a.jpg": "food", "c.jpg": "art"}
    assert said(found) == [
        "food/b.jpg: belongs to art by meta_data.json, and does not count",
        "food/x.jpg: is not in meta_data.json, and does not count",
        "no picture b",
        "no picture d",
    ]
