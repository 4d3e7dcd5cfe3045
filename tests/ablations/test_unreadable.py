"""Records that cannot be read and folders that cannot be written: one line that names the file, and exit code 2."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from made import record

from ablations import claims, plot, report

COMMANDS = {"claims": claims.main, "plot": plot.main, "report": report.main}


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
