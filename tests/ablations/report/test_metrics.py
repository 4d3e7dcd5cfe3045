"""A metric is declared once: one more declaration is a panel, a column, a line of status, a part of the first sentence,
and, where it measures alignment, a claim of each kind and a part of what searches maximize."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made import record

from ablations.analysis.claims.declared import evaluate
from ablations.analysis.curves import read
from ablations.analysis.statistics import Verdict
from ablations.report import build
from ablations.report.figures import scores
from ablations.sweep import status
from ablations.tune import best_of_grid
from headtohead.records import metrics
from headtohead.records.metrics import METRICS, Metric
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder, Spent


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two designs that were measured by a metric of somebody's own, too."""
    appeal = Metric("own/appeal", "Appeal", digits=2, scale="linear", headline=True)
    monkeypatch.setitem(METRICS._entries, appeal.key, appeal)
    for design in ("clip_flow", "vae_flow"):
        record(tmp_path / "results" / "my" / design, 0.5)
    for run in runs(tmp_path / "results"):
        at = Spent(900, 900, 9e11, 450.0)
        Recorder(run.folder).append(at, {"own/appeal": 7.25}, {"own/appeal": 5}, representation="clip", judge="judge")
        Recorder(run.folder).status("finished")
    return tmp_path / "results"


def test_one_declaration_is_shown_everywhere(sweep: Path) -> None:
    found, curves = read(sweep)
    (own,) = build.sections(found, curves, sweep)
    assert "Appeal" in own.final.head
    assert [row[own.final.head.index("Appeal")] for row in own.final.rows] == ["7.25 ± 0.00"] * 2
    assert [p["name"] for p in own.chart["panels"]] == ["GenEval", "DPG", "FID", "Appeal"]
    assert [ax.get_title("left") for ax in scores.curves(curves, "steps").axes][-1] == "Appeal"
    head, _, *rows = status.look(sweep)
    assert "Appeal" in head
    assert all("7.25" in row for row in rows)
    assert metrics.summary({"geneval/overall": 0.5, "own/appeal": 7.25, "x": 1}) == "GenEval 0.500, Appeal 7.25"


def test_an_alignment_metric_is_compared_claimed_and_searched_by(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METRICS._entries, "own/appeal", replace(METRICS["own/appeal"], alignment=True))
    found, curves = read(sweep)
    judged = {f.id: f for f in evaluate(found, curves)["my"]}
    assert "Appeal: clip_flow 7.25, vae_flow 7.25" in judged["clip-beats-vae/own/appeal"].detail
    assert "pairs of designs by Appeal" in judged["fid-and-alignment-disagree"].detail
    (own,) = build.sections(found, curves, sweep)
    assert "Appeal at step 900" in own.equal_cost.head
    assert best_of_grid.objective() == "mean of GenEval and DPG and Appeal at the last point, on dev prompts"
    assert best_of_grid.score({"geneval/overall": 0.5, "dpg/overall": 0.25, "own/appeal": 7.25}) == 8 / 3
    assert best_of_grid.missing({"geneval/overall": 0.5, "dpg/overall": 0.25}) == ["own/appeal"]

    for design in ("clip_flow", "vae_flow"):  # runs of before the metric keep their other verdicts
        record(tmp_path / "earlier" / "my" / design, 0.5)
    earlier = {f.id: f for f in evaluate(runs(tmp_path / "earlier"))["my"]}
    assert earlier["clip-beats-vae/own/appeal"].verdict == Verdict.NO_RECORDS
    assert "pairs of designs by DPG" in earlier["fid-and-alignment-disagree"].detail


def test_one_key_has_one_declaration() -> None:
    with pytest.raises(ValueError, match="metric fid: is registered already"):
        metrics.register(Metric("fid", "FID", digits=2))


@pytest.mark.parametrize(
    ("key", "name", "digits", "scale"),
    [
        ("dpg/entity", "entity", 2, "share"),
        ("dpg/shape", "shape", 3, "share"),
        ("loss/t=0.5", "loss", 3, "linear"),
        ("diversity/drawn_all", "drawn_all", 2, "linear"),
        ("geneval/color_attr", "color attr", 2, "share"),
        ("unheard/of", "unheard/of", 3, "linear"),
    ],
)
def test_parts_are_shown_as_their_benchmark_is(key: str, name: str, digits: int, scale: str) -> None:
    own = metrics.of(key)
    assert (own.key, own.name, own.digits, own.scale, own.headline) == (key, name, digits, scale, False)
