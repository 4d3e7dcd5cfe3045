"""Files that are whole or not there, and that whoever may read the folder may read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from headtohead.utils import files


def test_what_is_kept_is_readable_as_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with files.beside(tmp_path / "kept") as part:
        save_file({"w": torch.ones(2)}, part)
    files.whole(tmp_path / "whole", b"{}")
    modes = {name: (tmp_path / name).stat().st_mode for name in ("plain", "kept", "whole")}
    assert len(set(modes.values())) == 1, modes


def test_two_that_write_the_same_at_once_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with files.beside(path) as one:
        one.write_bytes(b"one")
        with files.beside(path) as other:  # of the same number in another container
            other.write_bytes(b"other")
        assert path.read_bytes() == b"other"
        assert one.suffix == other.suffix == ".part"
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def fill(path: Path) -> None:
    with files.beside(path) as part:
        part.write_bytes(b"aft")
        assert path.read_bytes() == b"before"
        raise OSError("the disk is full")


def test_what_fails_half_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.whole(path, b"before")
    with pytest.raises(OSError, match="full"):
        fill(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
