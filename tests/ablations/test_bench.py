"""The benchmark measures every part and keeps what it measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablations import bench


@pytest.mark.slow
def test_every_part_is_measured(tmp_path: Path) -> None:
    assert bench.main(["--seconds", "0.2", "--out", str(tmp_path), "--device", "cpu"]) == 0
    kept = json.loads((tmp_path / "foundations-cpu.json").read_text())
    assert [row["part"] for row in kept["rows"]] == list(bench.PARTS)
    assert all(row["pictures/s"] > 0 and row["peak MB"] > 0 for row in kept["rows"])
