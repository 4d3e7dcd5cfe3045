"""A sweep's note, such as a demo's, is what its report begins with."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import record

from ablations.report import build
from ablations.sweep import sweep_file
from headtohead.records import sweep_folder

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


@pytest.mark.usefixtures("undrawn")
def test_a_demo_says_in_its_report_that_it_concludes_nothing(tmp_path: Path) -> None:
    note = sweep_file.read(DEMO).note
    assert "too short to conclude anything" in note
    for design, height in (("clip_flow", 0.6), ("vae_flow", 0.5)):
        record(tmp_path / "demo" / design, height, seeds=(0,))
    sweep_folder.remember(tmp_path / "demo", "make demo", note=note)
    sweep_folder.remember(tmp_path / "demo", "make demo SEEDS=1")  # who adds runs keeps the note
    assert build.main([str(tmp_path / "demo")]) == 0
    page, text = ((tmp_path / "demo" / name).read_text() for name in ("report.html", "report.md"))
    assert "<title>Head to head: demo</title>" in page
    assert f'<p class="lead">{note}' in page
    assert text.startswith("# Head to head: demo\n\n" + note.split(",")[0])
