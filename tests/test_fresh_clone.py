"""The README's two commands, as they stand, in an empty clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ablations.analysis.curves import curves
from headtohead.records.ceilings import ceiling, floor
from headtohead.records.read import runs

ROOT = Path(__file__).parents[1]


def commands() -> list[str]:
    """The first block of shell in the README, without its comments."""
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    return [line.split("#")[0].strip() for line in block.group(1).splitlines()]


def test_the_readme_begins_with_two_commands() -> None:
    assert commands() == ["make sweep DESIGN=clip_flow", "make test"]


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="no clone to make a clone from")
def test_the_two_commands_work_in_a_fresh_clone(tmp_path: Path) -> None:
    """Minutes: it installs everything, trains a design to its end and measures it."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "VIRTUAL_ENV"))}
    for command in commands():
        subprocess.run(command, shell=True, check=True, cwd=clone, env=plain)
    found = {c.metric: c for c in curves(runs(clone / "results" / "micro"))}
    overall = found["geneval/overall"]
    assert len(overall.steps) >= 8
    assert overall.n.min() >= 120
    assert overall.mean[-1] >= floor()["geneval/overall"] + 0.25
    for task in ("geneval/single_object", "geneval/colors"):
        assert found[task].mean[-1] >= 0.6 * ceiling("clip")[task]
    assert (clone / "results" / "micro" / "report.html").stat().st_size > 100_000
