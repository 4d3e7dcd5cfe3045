"""States on disk: whole or not there, two of them, damaged ones passed over, and no code in them ever runs."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from headtohead.config.parsing import ConfigError
from headtohead.training import checkpoints
from headtohead.training.checkpoints import Checkpoints, newest
from headtohead.utils import files

IDENTITY = {"config": {"train": {"lr": 0.1}}, "data": "abc"}


def saver(folder: Path) -> Checkpoints:
    out = Checkpoints(folder, print, lambda now: None)
    out.identity = IDENTITY
    return out


def save(folder: Path, *steps: int) -> None:
    own = saver(folder)
    for step in steps:
        own.save_checkpoint({"global_step": step, "w": torch.full((2000,), float(step))}, own.path(step))


def test_the_last_two_are_kept_and_the_newest_is_gone_on_from(tmp_path: Path) -> None:
    assert newest(tmp_path, print) is None
    save(tmp_path, 2, 4, 10)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "0000004.ckpt",
        "0000004.json",
        "0000010.ckpt",
        "0000010.json",
    ]
    state = newest(tmp_path, print)
    assert state is not None
    assert state.step == 10
    assert torch.load(state.path, weights_only=True)["w"][0] == 10


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [cut, emptied, flipped, gone])
def test_a_damaged_state_is_said_and_the_one_before_is_used(
    damage: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 2, 4)
    damage(tmp_path / "checkpoints" / "0000004.ckpt")
    state = newest(tmp_path, print)
    assert state is not None
    assert state.step == 2
    assert "0000004.ckpt: is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("told", ["", "{", "[]", '{"step": 4}', '{"step": "x", "belongs": {}}'])
def test_a_damaged_manifest_is_no_better(told: str, tmp_path: Path) -> None:
    save(tmp_path, 2, 4)
    (tmp_path / "checkpoints" / "0000004.json").write_text(told)
    state = newest(tmp_path, print)
    assert state is not None
    assert state.step == 2


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return open, (str(self.target), "w")


def test_a_pickle_in_a_state_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "made by a pickle"
    save(tmp_path, 2)
    own = saver(tmp_path)
    own.save_checkpoint({"global_step": 4, "w": Payload(target)}, own.path(4))  # with a checksum that is right
    state = newest(tmp_path, print)
    assert state is not None
    assert state.step == 2
    assert not target.exists()
    assert "cannot be read as weights" in capsys.readouterr().out


def test_a_state_of_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    save(tmp_path, 2)
    state = newest(tmp_path, print)
    assert state is not None
    state.check(IDENTITY)
    with pytest.raises(ConfigError, match=r"config.train.lr: 0.1 there, 0.2 here"):
        state.check({**IDENTITY, "config": {"train": {"lr": 0.2}}})
    with pytest.raises(ConfigError, match="data: abc there, other here"):
        state.check({**IDENTITY, "data": "other"})


def test_a_full_disk_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system's own answer, thrice, from where the bytes go out; torch may write once more after it failed."""
    save(tmp_path, 2)
    left, write = [3], checkpoints._Summed.write

    def full(self: Any, data: Any) -> int:
        if left[0]:
            left[0] -= 1
            self.failed = OSError(errno.ENOSPC, "No space left on device")
            raise self.failed
        return write(self, data)

    monkeypatch.setattr(checkpoints._Summed, "write", full)
    monkeypatch.setattr(files, "AGAIN", 0.0)
    waits: list[bool] = []
    own = Checkpoints(tmp_path, print, waits.append)
    own.identity = IDENTITY
    own.save_checkpoint({"global_step": 4, "w": torch.zeros(9)}, own.path(4))
    assert waits[0]
    assert waits.index(False) == len(waits) - 1
    told = capsys.readouterr().out
    assert told.count("the disk is full") == 1
    assert "there is space again" in told
    state = newest(tmp_path, print)
    assert state is not None
    assert state.step == 4
    assert not list((tmp_path / "checkpoints").glob("*.part"))
    assert json.loads((tmp_path / "checkpoints" / "0000004.json").read_text())["bytes"] == own.path(4).stat().st_size


def test_with_none_before_it_a_damaged_state_means_the_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 2)
    flipped(tmp_path / "checkpoints" / "0000002.ckpt")
    assert newest(tmp_path, print) is None
    said = capsys.readouterr().out
    assert "0000002.ckpt: is damaged (its checksum differs); there is none before it, starting from the beg" in said


@pytest.mark.parametrize("at", [1, 2])
def test_a_state_that_fails_on_its_way_to_the_disk_is_none(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own bytes, or its manifest's."""
    save(tmp_path, 2)
    own, calls = os.fsync, list[int]()

    def fails(number: int) -> None:
        calls.append(number)
        if len(calls) == at:
            raise OSError(errno.EIO, "Input/output error")
        own(number)

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        save(tmp_path, 4)
    assert not list((tmp_path / "checkpoints").glob("*.part"))
    state = newest(tmp_path, print)
    assert state is not None
    assert state.step == 2
