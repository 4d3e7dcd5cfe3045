"""Plots from records alone: figures appear, sweeps stay apart, nothing heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablations import plot
from ablations.analysis import sample_grids
from ablations.analysis.curves import curves, reached
from ablations.report import build
from headtohead.records import ceilings, sweep_folder
from headtohead.records.json_files import RecordError
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder, Spent
from headtohead.synthetic.prompts.short_prompts import TASKS


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for sweep in ("micro", "micro-dim384"):
        for design, height in (("clip_flow", 0.6), ("vae_flow", 0.4)):
            for seed in (0, 1, 2):
                r = Recorder(tmp_path / sweep / f"{design}-s{seed}")
                r.begin({"seed": seed, "design": {"representation": "clip"}})
                for step in (300, 600, 900)[: 2 if seed == 2 else 3]:
                    value = height * step / 900 + seed / 100
                    values = {f"geneval/{t}": value for t in (*TASKS, "overall")}
                    n = {"geneval": 120, "dpg": 30, "fid": 150, "loss": 8, "diversity/fixed": 4}
                    values |= {"dpg/overall": value, "fid": 50 - 9 * value, "loss/t=0.1": 1.0, "loss/t=0.9": 0.5}
                    values |= {"diversity/fixed": value}
                    r.append(Spent(step, step, step * 1e9, 1.0), values, n, representation="clip", judge="judge")
                for kind, size in (("prompts", (6 * 8, 2 * 8)), ("often", (4 * 8, 4 * 8))):
                    Image.new("RGB", size, (40 * seed, 0, 99)).save(r.grid(900, kind))
                shown = {"prompts": [f"prompt {k}" for k in range(12)], "often": [f"prompt {k}" for k in range(4)]}
                r.status("finished", shown=shown, trainable=2e6, seconds_training=90.0, peak_mb=2048)
    return tmp_path


def test_curves_hold_the_steps_that_every_seed_has_reached(results: Path) -> None:
    found = [c for c in curves(runs(results)) if c.metric == "geneval/overall"]
    assert {(c.sweep, c.design) for c in found} == {
        (s, d) for s in ("micro", "micro-dim384") for d in ("clip_flow", "vae_flow")
    }
    assert all(c.values.shape == (3, 2) and c.steps.tolist() == [300, 600] for c in found)
    assert np.allclose(found[0].mean, [0.6 / 3 + 0.01, 0.6 * 2 / 3 + 0.01])
    top = ceilings.ceiling("clip")["geneval/overall"]
    assert np.allclose(found[0].relative, found[0].values / top)


def test_a_target_is_reached_between_two_points(results: Path) -> None:
    (curve,) = [c for c in curves(runs(results / "micro")) if (c.design, c.metric) == ("clip_flow", "geneval/overall")]
    assert reached(curve, 0.31) == pytest.approx((450, 450e9))
    assert reached(curve, 0.1) == (300, 300e9)
    assert reached(curve, 0.9) is None


def test_seeds_of_other_settings_are_not_pooled(results: Path) -> None:
    Recorder(results / "micro" / "clip_flow-s1").begin({"seed": 1, "design": {"representation": "vae"}})
    with pytest.raises(RecordError, match="clip_flow-s1: its settings differ from clip_flow-s0"):
        curves(runs(results))


def test_a_grid_of_pictures_is_cut_where_it_was_put_together(tmp_path: Path) -> None:
    whole = np.zeros((16, 48, 3), np.uint8)
    whole[8:, 40:] = 200
    Image.fromarray(whole).save(tmp_path / "grid.webp", lossless=True)
    cut = sample_grids.tiles(tmp_path / "grid.webp", 12)
    assert len(cut) == 12
    assert [tile.max() for tile in cut] == [0] * 11 + [200]


def test_figures_are_drawn(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot.main([str(results)]) == 0
    names = {p.name for p in (results / "figures").iterdir()}
    kinds = ("curves_steps", "curves_flops", "tasks", "losses")
    pictures = tuple(f"{k}_{s}" for k in ("samples", "one_prompt") for s in ("micro", "micro-dim384"))
    assert names == {f"{n}.{e}" for n in (*kinds, *pictures) for e in ("png", "pdf")}


def test_figures_of_some_designs(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "some"
    assert plot.main([str(results / "micro"), "--design", "vae_flow", "--out", str(out)]) == 0
    assert plot.main([str(results / "micro"), "--out", str(tmp_path / "all")]) == 0
    assert (out / "tasks.png").read_bytes() != (tmp_path / "all" / "tasks.png").read_bytes()
    assert plot.main([str(results / "micro"), "--design", "vae_flo"]) == 2
    assert capsys.readouterr().err == "plot: --design: unknown design vae_flo; did you mean vae_flow?\n"


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_nothing_to_plot_is_one_line_and_exit_code_2(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plot.main([str(tmp_path / folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_plotting_imports_nothing_heavy() -> None:
    heavy = ("torch", "lightning", "pandas", "scipy")
    code = f"import sys, ablations.plot; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_report_is_one_page_with_tables_curves_and_pictures(results: Path) -> None:
    bad = results / "micro" / "vae_mse-s0"
    Recorder(bad).begin({})
    Recorder(bad).status("failed", reason="<script>alert(1)</script>")
    assert build.main([str(results)]) == 0
    page, text = (results / "report.html").read_text(), (results / "report.md").read_text()
    assert "data:image/webp;base64," in page
    assert "http:" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https:" not in page
    assert page.count("<script") == 2  # its data and its own
    assert "&lt;script&gt;alert(1)" in page
    assert "| clip_flow | 3 | 600 |" in text
    assert "0.410 ± 0.025" in text  # 0.4 + (0, 0.01, 0.02): t(2) 4.303 x 0.01 / sqrt 3
    assert "Failed: vae_mse-s0: &lt;script>alert(1)&lt;/script>" in text
    assert "6 runs, 6 of them finished" in text
    assert "not reached" in text  # vae_flow ends at 0.28
    assert "| ✓ supported | After as many steps, CLIP" not in text  # nobody said what these designs are
    table = (results / "comparison.csv").read_text().splitlines()
    assert "micro,clip_flow,geneval/overall,0,600,600000000000.0,0.4," in "\n".join(table)


@pytest.mark.usefixtures("undrawn")
def test_a_result_says_how_to_run_it_again(results: Path) -> None:
    for command in ("make sweep DESIGN=clip_flow", "make sweep NAME=reference", "make sweep DESIGN=clip_flow"):
        sweep_folder.remember(results / "micro", command)
    assert build.main([str(results / "micro")]) == 0
    text = (results / "micro" / "report.md").read_text()
    assert "make sweep DESIGN=clip_flow\nmake sweep NAME=reference\n```" in text
    assert build.main([str(results / "micro-dim384")]) == 0
    assert "make sweep DESIGN='clip_flow vae_flow' SEEDS=0,1,2" in (results / "micro-dim384/report.md").read_text()
