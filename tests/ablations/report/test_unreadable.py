"""Records that cannot be read and folders that cannot be written: one line that names the file, and exit code 2."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from made import record

from ablations import plot
from ablations.analysis.claims import declared
from ablations.report import build

COMMANDS = {"claims": declared.main, "plot": plot.main, "report": build.main}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *itertools.product(COMMANDS, ("config.json", "status.json", "curve.jsonl")),
        *itertools.product(("claims", "report"), ("prompts.jsonl",)),  # figures need none of it
    ],
)
def test_a_byte_that_is_no_text(command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0,))
    path = tmp_path / "s/clip_flow-s0" / name
    path.write_bytes(path.read_bytes()[:-2] + b"\xff\n")
    assert COMMANDS[command]([str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{command}: {path}: no text")
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_folder_that_takes_no_files(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As one that is read-only, which is none to whoever may do everything."""
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0,))
    (tmp_path / "figures").write_text("in the way")
    assert COMMANDS[command]([str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{command}: ")
    assert str(tmp_path / "figures") in told
    assert told.count("\n") == 1


def refused(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert COMMANDS[command]([str(place)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", ["1e400", "NaN"])
def test_a_value_that_is_no_number(
    command: str, number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0,))
    path = tmp_path / "s/clip_flow-s0/curve.jsonl"
    lines = path.read_text().splitlines()
    lines[1] = '{"value": ' + number + ", " + lines[1].replace('"value"', '"was"')[1:]
    path.write_text("\n".join(lines) + "\n")
    assert f"{path}: line 2: value is" in refused(command, tmp_path, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_seeds_that_do_not_belong_together(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0, 1))
    config = tmp_path / "s/clip_flow-s1/config.json"
    own = config.read_text()
    config.write_text(own.replace('"seed": 1', '"seed": 0'))
    assert "clip_flow-s1: seed 0 of clip_flow stands in another folder too" in refused(command, tmp_path, capsys)
    config.write_text(own.replace('"train"', '"trian"'))
    assert "clip_flow-s1: its settings differ from clip_flow-s0's (train, trian)" in refused(command, tmp_path, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_for_a_folder(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert "is a file, not a folder of results" in refused(command, tmp_path / "file", capsys)
