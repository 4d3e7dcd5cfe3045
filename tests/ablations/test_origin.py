"""Which runs a report's numbers come from, where they are not all of one make."""

from __future__ import annotations

from pathlib import Path

from made import record

from ablations.page import origin
from ablations.report import make
from headtohead.records import Recorder, runs


def test_runs_of_other_code_versions_or_machines_are_told_apart(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.5)
    alike = {"commit": "abc", "packages": {"torch": "2"}, "machine": {"name": "one", "device": "cpu"}}
    for run in runs(tmp_path):
        Recorder(run.folder).status("finished", **alike)
    own = runs(tmp_path)
    assert (origin.packages(own), origin.differing(own)) == (["torch 2"], [])
    other = {"commit": "def", "packages": {"torch": "3"}, "machine": {"name": "two", "device": "cpu"}}
    Recorder(own[1].folder).status("finished", **other)
    own = runs(tmp_path)
    assert origin.packages(own) == ["torch 2: the other 2 runs.", "torch 3: clip_flow-s1."]
    commits, machines = origin.differing(own)
    assert commits == "Runs of several commits: abc: the other 2 runs; def: clip_flow-s1."
    assert "two (cpu" in machines
    assert machines.endswith("clip_flow-s1.")
    Recorder(own[2].folder).status("finished")
    own = runs(tmp_path)
    assert origin.packages(own)[-1] == "Versions not recorded: clip_flow-s2."
    make(tmp_path / "s")
    assert (
        "Runs of several commits: abc: clip_flow-s0; def: clip_flow-s1; not recorded: clip_flow-s2."
        in (tmp_path / "s/report.md").read_text()
    )
