"""Trainings side by side: what is needed comes first, never more at once than allowed, and a failure ends them all."""

from __future__ import annotations

import sys
from pathlib import Path

from ablations.prepare import side_by_side

NEEDS = {"vae": (), "tower": (), "decoder": ("vae", "tower"), "judge": (), "words": (), "clip": ("tower", "words")}
WORK = """
import pathlib, sys, time
log, name, code = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with log.open("a") as file: file.write(f"+{name}\\n")
time.sleep(0.2)
with log.open("a") as file: file.write(f"-{name}\\n")
sys.exit(code)
"""


def run(tmp_path: Path, names: list[str], most: int, fails: str = "") -> tuple[int, list[str]]:
    log = tmp_path / "log"
    code = side_by_side.train(
        names, NEEDS, lambda n: [sys.executable, "-c", WORK, str(log), n, "3" if n == fails else "0"], most, 0.01
    )
    return code, log.read_text().split()


def test_a_model_starts_when_those_that_it_needs_are_done(tmp_path: Path) -> None:
    code, log = run(tmp_path, ["decoder", "clip", "vae", "tower", "judge", "words"], 3)
    assert code == 0
    assert len(log) == 12
    for name, needs in NEEDS.items():
        assert all(log.index(f"-{need}") < log.index(f"+{name}") for need in needs)
    running = most = 0
    for line in log:
        running += 1 if line[0] == "+" else -1
        most = max(most, running)
    assert 1 < most <= 3


def test_what_is_there_already_is_not_waited_for(tmp_path: Path) -> None:
    assert run(tmp_path, ["clip"], 2) == (0, ["+clip", "-clip"])


def test_a_failure_is_the_outcome_and_nothing_that_needs_it_starts(tmp_path: Path) -> None:
    code, log = run(tmp_path, ["vae", "tower", "decoder"], 1, fails="tower")
    assert code == 3
    assert "+decoder" not in log


def test_the_longest_chain_comes_first() -> None:
    seconds = {"vae": 30.0, "tower": 10.0, "decoder": 15.0, "judge": 12.0, "words": 1.0, "clip": 60.0}
    got = side_by_side.order(list(seconds), NEEDS, seconds)
    assert got == ["tower", "words", "clip", "vae", "decoder", "judge"]
