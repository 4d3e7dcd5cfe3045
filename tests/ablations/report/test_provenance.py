"""Which runs a report's numbers come from, where they are not all of one make."""

from __future__ import annotations

from pathlib import Path

from made import SETTINGS, record

from ablations.analysis.designs import cells
from ablations.report.build import make
from ablations.report.html import provenance
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder


def test_runs_of_other_code_versions_or_machines_are_told_apart(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.5)
    alike = {"commit": "abc", "packages": {"torch": "2"}, "machine": {"name": "one", "device": "cpu"}}
    for run in runs(tmp_path):
        Recorder(run.folder).status("finished", **alike)
    own = runs(tmp_path)
    assert (provenance.packages(own), provenance.differing(own)) == (["torch 2"], [])
    other = {"commit": "def", "packages": {"torch": "3"}, "machine": {"name": "two", "device": "cpu"}}
    Recorder(own[1].folder).status("finished", **other)
    own = runs(tmp_path)
    assert provenance.packages(own) == ["torch 2: the other 2 runs.", "torch 3: clip_flow-s1."]
    commits, machines = provenance.differing(own)
    assert commits == "Runs of several commits: abc: the other 2 runs; def: clip_flow-s1."
    assert "two (cpu" in machines
    assert machines.endswith("clip_flow-s1.")
    Recorder(own[2].folder).status("finished")
    own = runs(tmp_path)
    assert provenance.packages(own)[-1] == "Versions not recorded: clip_flow-s2."
    make(tmp_path / "s")
    assert (
        "Runs of several commits: abc: clip_flow-s0; def: clip_flow-s1; not recorded: clip_flow-s2."
        in (tmp_path / "s/report.md").read_text()
    )


def test_designs_are_told_by_their_axes_and_by_the_settings_that_not_all_have(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.5)
    record(tmp_path / "s/vae_mse", 0.5, settings={**SETTINGS, "train": {"steps": 900, "lr": 0.0005}})
    table = provenance.compared(cells(runs(tmp_path))["s"])
    assert table.head == ["design", "representation", "objective", "backbone", "head", "train.lr"]
    assert table.rows == [
        ["clip_flow", "clip", "flow", "frozen", "dit", "0.004"],
        ["vae_mse", "vae", "mse", "trained", "linear", "0.0005"],
    ]


def test_data_is_told_by_its_fingerprint_and_how_much_it_is(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0,))
    own = {"mix": "mix.yaml", "corpora": {"a": "1"}, "samples": 25_000, "held_out": 4, "fingerprint": "ff"}
    for data, told in ((own, "ff (mix.yaml, 25,000 samples, 4 held out)"), ({"fingerprint": "ff"}, "ff")):
        Recorder(tmp_path / "s/clip_flow-s0").status("finished", data=data)
        table = provenance.runs(runs(tmp_path))
        assert table.rows[0][table.head.index("data")] == told
