"""Files that are pictures, and files that are not quite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from on_disk import Place, geneval_folder, save
from PIL import Image

from headtohead.eval.__main__ import main
from headtohead.eval.folders import images
from headtohead.eval.folders.images import FolderError, Troubles


def test_a_picture_too_large_to_open_is_named(tmp_path: Path) -> None:
    Image.new("1", (14_000, 14_000)).save(tmp_path / "large.png")
    with pytest.raises(FolderError, match=r"large.png: is not a picture \(Image size .* exceeds limit"):
        images.picture(tmp_path / "large.png")


def test_grey_of_16_bits_keeps_its_shades(tmp_path: Path) -> None:
    shades = np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16)
    Image.fromarray(shades).save(tmp_path / "grey.png")
    got = images.picture(tmp_path / "grey.png") * 255
    assert torch.equal(got.round(), torch.tensor([[0.0, 100], [200, 255]]).expand(3, 2, 2))


def test_what_looks_like_a_picture_is_read_or_named(tmp_path: Path) -> None:
    save(tmp_path / "a.PNG")
    save(tmp_path / "b.bmp")
    (tmp_path / "c.jpg").mkdir()
    (tmp_path / "notes.txt").write_text("")
    troubles = Troubles()
    assert [p.name for p in images.listed(tmp_path, troubles)] == ["a.PNG"]
    assert [line.rsplit("/", 1)[1][:20] for line in troubles.lines] == ["b.bmp: is not read: ", "c.jpg: is a folder, "]


def test_thin_pictures_are_judged(place: Place, tmp_path: Path) -> None:
    images = geneval_folder(tmp_path / "own", samples=1)
    Image.new("RGB", (3000, 2)).save(images / "00000" / "samples" / "0000.png")
    assert main(place.geneval("--out", tmp_path / "a.json", images=images)) == 0
