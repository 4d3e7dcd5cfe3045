"""A folder for tests of `make tune`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from searches import SPACE
from small import LINEAR

from ablations.tune import liveness, trials


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary working folder with the search file tiny.yaml, of tiny runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trials, "SETTLE", 0.0)
    monkeypatch.setattr(liveness, "POLL", 0.05)
    (tmp_path / "sweeps" / "search").mkdir(parents=True)
    few = {"evaluation.every": 6, "evaluation.final_geneval": 6, "evaluation.final_dpg": 1}
    fixed = {key: value for key, value in (LINEAR | few).items() if key not in SPACE}
    (tmp_path / "sweeps" / "search" / "tiny.yaml").write_text(yaml.safe_dump({"space": SPACE, "set": fixed}))
    return tmp_path
