"""What is typed after `make` reaches the commands unchanged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"
PRINTS = f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose Python prints what it is called with."""
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("pyproject.toml", "constraints.txt", ".venv/bin/python", ".venv/.ready"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PRINTS)
    (tmp_path / ".venv/bin/python").chmod(0o755)
    return tmp_path


def printed(place: Path, *words: str) -> list[str]:
    """What make prints where no other make called it: under `make test` it would also name its folder."""
    env = {name: text for name, text in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", *words], cwd=place, env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def made(place: Path, *words: str) -> list[str]:
    called: list[str] = json.loads(printed(place, *words)[-1])
    assert called[0] == "-m"
    return called[1:]


@pytest.mark.parametrize(
    "text",
    ["it's", 'a "red" circle', "costs $5, $HOME, $(shell id)", "`id`; rm x & $(id) #1", "-x", "a  b*", "ä\\n", "!!"],
)
def test_a_prompt_is_passed_as_it_was_typed(text: str, place: Path) -> None:
    (place / "ab.txt").touch()
    words = made(place, "paint", f"PROMPT={text}", "RESULTS=my results/it's")
    assert words == ["ablations.posthoc.paint", "my results/it's", f"--prompt={text}"]


def test_settings_lists_and_flags_become_options(place: Path) -> None:
    setting = "head.dim=256 query.template='Draw {caption}'"
    words = made(place, "sweep", "NAME=rates", "DESIGN=clip_flow,vae_flow", "SEEDS=0-3", f"SET={setting}", "GPUS=2",
                 "LAUNCH=slurm", "SBATCH=partition=h100 time=8:00:00")  # fmt: skip
    assert words == [
        "ablations.sweep", "rates", "--design=clip_flow,vae_flow", "--seeds=0-3", f"--set={setting}", "--launch=slurm",
        "--gpus=2", "--sbatch", "partition=h100", "time=8:00:00",
    ]  # fmt: skip
    assert made(place, "status") == ["ablations.sweep.status", "results"]
    assert made(place, "tune", "PRUNE=0", "DESIGN=a b") == ["ablations.tune", "--design=a b"]
    assert made(place, "tune", "PRUNE=1") == ["ablations.tune", "--prune"]
    index = made(place, "index", "DATA=shards/{00..09}.tar other/*.tar", "VERIFY=1")
    assert index == ["headtohead.data.shards", "shards/{00..09}.tar", "other/*.tar", "--verify"]


def test_help_names_every_target(place: Path) -> None:
    shown = printed(place)
    phony = next(line for line in MAKEFILE.read_text().splitlines() if line.startswith(".PHONY")).split()[1:]
    assert sorted(line.split()[1] for line in shown) == sorted(phony)
