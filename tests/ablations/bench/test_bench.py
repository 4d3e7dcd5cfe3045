"""The benchmark measures every part and keeps what it measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ablations.bench import against, commands
from ablations.bench import command as bench
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


def test_an_earlier_commit_is_measured_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With made rates; that both sides measure in processes of their own, the slow test below shows."""
    asked: list[tuple[bool, str]] = []
    times = iter([200.0, 100.0, 210.0, 70.0, 220.0, 110.0])

    def rate(side: against.Side, name: str, device: str, seconds: float) -> dict[str, object]:
        assert (side.tree / "ablations/bench/measures.py").exists()
        asked.append((side.tree == against.ROOT, name))
        return {"part": name, "pictures/s": next(times), "10 % to 90 %": [1.0, 2.0], "peak MB": 5.0}

    monkeypatch.setattr(against.Side, "rate", rate)
    monkeypatch.setitem(bench.GROUPS, "metrics", replace(bench.GROUPS["metrics"], parts=lambda: ["FID"]))
    assert bench.main(["metrics", "--against", "HEAD", "--out", str(tmp_path), "--device", "cpu"]) == 0
    kept = json.loads((tmp_path / "metrics-before-cpu.json").read_text())
    assert asked == 3 * [(True, "FID"), (False, "FID")]
    (row,) = kept["rows"]
    assert (row["pictures/s"], row["before/s"], row["ratios"], row["times faster"]) == (210, 100, [2, 3, 2], 2)
    assert len(kept["before"]) == 12
    assert "peak MB" not in row, "of a process that has measured other parts before"


def test_a_side_says_why_it_cannot_measure_a_part() -> None:
    with against.side(against.ROOT) as own:
        for asked in ("nothing", "render"):
            with pytest.raises(against.RevisionError, match=rf"cannot measure {asked}: KeyError: 'nothing'"):
                own.rate(asked, "cpu", 0.1)


def test_a_revision_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--against", "nonsense"]) == 2
    assert "--against nonsense: " in capsys.readouterr().err
    assert bench.main(["commands", "--against", "HEAD"]) == 2
    assert "unknown group of --against commands; there are foundations, designs, metrics" in capsys.readouterr().err


@pytest.mark.slow
def test_the_same_code_is_about_as_fast_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.GROUPS, "foundations", replace(bench.GROUPS["foundations"], parts=lambda: ["render"]))
    assert bench.main(["foundations", "--against", "HEAD", "--out", str(tmp_path), "--device", "cpu"]) == 0
    (row,) = json.loads((tmp_path / "foundations-before-cpu.json").read_text())["rows"]
    assert 0.3 < row["times faster"] < 3


@pytest.mark.slow
def test_every_part_is_measured(tmp_path: Path) -> None:
    assert bench.main([*GROUPS, "--seconds", "0.2", "--out", str(tmp_path), "--device", "cpu"]) == 0
    for group, parts in GROUPS.items():
        kept = json.loads((tmp_path / f"{group}-cpu.json").read_text())
        assert [row["part"] for row in kept["rows"]] == list(parts)
        assert all(row["pictures/s"] > 0 and row["peak MB"] > 0 for row in kept["rows"])
