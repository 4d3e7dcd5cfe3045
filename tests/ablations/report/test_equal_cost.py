"""The report's table of scores at equal cost, on made records."""

from __future__ import annotations

import json
from pathlib import Path

from made import record

from ablations.analysis.designs import cells
from ablations.report.build import make
from ablations.report.tables.equal_cost import table
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder


def test_scores_at_equal_steps_flops_and_time(tmp_path: Path) -> None:
    """The dearer design is ahead after as many steps, and not for as many FLOPs of everything."""
    record(tmp_path / "s/clip_flow", 0.9, everything=2.0)
    record(tmp_path / "s/vae_flow", 0.6, everything=1.0)
    told = table(cells(runs(tmp_path))["s"])
    assert told
    assert told.head == [
        "design",
        *("GenEval at step 900", "DPG at step 900"),
        *("GenEval at 600 GFLOPs", "DPG at 900 GFLOPs"),
        *("GenEval at 600 GFLOPs of everything", "DPG at 900 GFLOPs of everything"),
        *("GenEval at 5.0 min", "DPG at 7.5 min"),
    ]
    at = told.head.index("GenEval at 5.0 min")
    assert [row[at] for row in told.rows] == ["0.603 ± 0.013", "0.403 ± 0.013"]
    at = told.head.index("GenEval at 600 GFLOPs of everything")
    assert [row[at] for row in told.rows] == ["0.303 ± 0.013", "0.403 ± 0.013"]
    assert {(0, 1), (1, at)} <= told.marked
    make(tmp_path / "s")
    for name in ("report.md", "report.html"):
        text = (tmp_path / "s" / name).read_text()
        assert "The same comparison at equal cost" in text
        assert "GenEval at 5.0 min" in text


def test_a_design_on_other_terms_is_left_out_by_name(tmp_path: Path) -> None:
    for name in ("clip_flow", "vae_flow"):
        record(tmp_path / "s" / name, 0.6)
    record(tmp_path / "s/clip_mse", 0.9, judge="mplug")
    told = table(cells(runs(tmp_path))["s"])
    assert told
    mse = next(row for row in told.rows if row[0] == "clip_mse")
    assert mse[1:] == ["–"] * 6
    assert "Left out: clip_mse (judge of geneval/overall is judge and mplug)." in told.note
    assert "Left out at equal FLOPs of everything: all (some record lacks it)." in told.note


def test_time_on_other_machines_is_refused(tmp_path: Path) -> None:
    for name in ("clip_flow", "vae_flow"):
        record(tmp_path / "s" / name, 0.6)
    for run in runs(tmp_path):
        Recorder(run.folder).status("finished", machine={"name": run.name.split("-")[0]})
    told = table(cells(runs(tmp_path))["s"])
    assert told
    assert len(told.head) == 5
    assert not [name for name in told.head if name.endswith(" min")]
    machines = " and ".join(json.dumps({"name": name}) for name in ("clip_flow", "vae_flow"))
    assert f"Left out at equal wall time: vae_flow (machine is {machines})." in told.note
