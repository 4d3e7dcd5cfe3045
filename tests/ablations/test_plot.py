"""Plots from records alone: figures appear, sweeps stay apart, nothing heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ablations import plot, report
from ablations.curves import curves
from headtohead.records import Recorder, Spent
from headtohead.world.prompts import TASKS


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for sweep in ("micro", "micro-dim384"):
        for design, height in (("clip_flow", 0.6), ("vae_flow", 0.4)):
            for seed in (0, 1, 2):
                r = Recorder(tmp_path / sweep / f"{design}-s{seed}")
                r.begin({"seed": seed})
                for step in (300, 600, 900)[: 2 if seed == 2 else 3]:
                    value = height * step / 900 + seed / 100
                    values = {f"geneval/{t}": value for t in (*TASKS, "overall")}
                    n = {"geneval": 120, "dpg": 30, "fid": 150}
                    values |= {"dpg/overall": value, "fid": 50 - 9 * value}
                    r.append(Spent(step, step, step * 1e9, 1.0), values, n, representation="clip", judge="judge")
    return tmp_path


def test_curves_hold_the_steps_that_every_seed_has_reached(results: Path) -> None:
    found = [c for c in curves(results) if c.metric == "geneval/overall"]
    assert {(c.sweep, c.design) for c in found} == {
        (s, d) for s in ("micro", "micro-dim384") for d in ("clip_flow", "vae_flow")
    }
    assert all(c.values.shape == (3, 2) and c.steps.tolist() == [300, 600] for c in found)
    assert np.allclose(found[0].mean, [0.6 / 3 + 0.01, 0.6 * 2 / 3 + 0.01])


def test_figures_are_drawn(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot.main([str(results)]) == 0
    names = {p.name for p in (results / "figures").iterdir()}
    assert names == {f"{n}.{e}" for n in ("curves_steps", "curves_flops", "tasks") for e in ("png", "pdf")}


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_nothing_to_plot_is_one_line_and_exit_code_2(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plot.main([str(tmp_path / folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_plotting_imports_nothing_heavy() -> None:
    code = "import sys, ablations.plot; print([m for m in ('torch', 'lightning', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_report_is_one_file_with_tables_and_figures(results: Path) -> None:
    bad = results / "micro" / "vae_mse-s0"
    Recorder(bad).begin({})
    Recorder(bad).status("failed", reason="<script>alert(1)</script>")
    assert report.main([str(results)]) == 0
    page, text = (results / "report.html").read_text(), (results / "report.md").read_text()
    assert 'src="data:image/png;base64,' in page
    assert "http" not in page.split("</style>")[1].split("base64")[0]
    assert "<script>" not in page
    assert "| clip_flow | 3 | 600 |" in text
    assert "0.410 ± 0.025" in text  # 0.4 + (0, 0.01, 0.02): t(2) 4.303 x 0.01 / sqrt 3
    assert "failed: micro/vae_mse-s0" in text
    assert (results / "comparison.csv").read_text().splitlines()[1].startswith("micro,clip_flow,3,600,0.410")
