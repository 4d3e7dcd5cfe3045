"""The benchmark measures every part and keeps what it measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablations.bench import command as bench
from ablations.bench import commands
from ablations.bench.parts import GROUPS


def test_commands_are_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "SIZES", (commands.Size(2, 2, 2, 2),))
    monkeypatch.setattr(commands, "ROUNDS", 2)
    monkeypatch.setattr(bench, "isolated", lambda work, *args: work(*args))  # where the smaller size is known
    assert bench.main(["commands", "--out", str(tmp_path), "--device", "cpu"]) == 0
    kept = json.loads((tmp_path / "commands-cpu.json").read_text())
    assert [row["part"] for row in kept["rows"]] == [
        f"{name}, 8 runs x 2 points" for name in ("plot", "report", "load")
    ]
    assert all(row["seconds"] >= row["least"] > 0 and row["peak MB"] > 20 for row in kept["rows"])


def test_an_unknown_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["desings"]) == bench.main(["x"]) == 2
    typo, other = capsys.readouterr().err.splitlines()
    assert "unknown group desings; did you mean designs?" in typo
    assert "there are foundations, designs, metrics, pages, paper, frechet, commands" in other


@pytest.mark.slow
def test_every_part_is_measured(tmp_path: Path) -> None:
    assert bench.main([*GROUPS, "--seconds", "0.2", "--out", str(tmp_path), "--device", "cpu"]) == 0
    for group, parts in GROUPS.items():
        kept = json.loads((tmp_path / f"{group}-cpu.json").read_text())
        assert [row["part"] for row in kept["rows"]] == list(parts)
        assert all(row["pictures/s"] > 0 and row["peak MB"] > 0 for row in kept["rows"])
