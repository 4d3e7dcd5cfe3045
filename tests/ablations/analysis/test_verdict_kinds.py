"""Verdicts that are neither of size nor of sign: on made records whose truth is known, and on simulated studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import SETTINGS, record
from test_claims_truth import NAMES, SMALLER, STUDIES, study

from ablations.analysis.claims import command
from ablations.analysis.claims.declared import EQUIVALENT, Finding, evaluate
from ablations.analysis.curves import read
from ablations.analysis.statistics import ALPHA, Verdict, difference, equivalence
from ablations.report import build
from ablations.report.markdown import markdown
from headtohead.records import ceilings
from headtohead.records.read import runs

DECIDED = (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.EQUIVALENT)


def verdicts(folder: Path) -> dict[str, Finding]:
    (found,) = evaluate(runs(folder)).values()
    return {f.id: f for f in found}


@pytest.fixture
def ignoring(tmp_path: Path) -> Path:
    """Every design reads its prompt except vae_flow, which would be far ahead in FID and far behind in GenEval."""
    for name, height in {"clip_flow": 0.6, "clip_mse": 0.4, "clip_mse_dit": 0.5}.items():
        record(tmp_path / "made" / name, height, gain=0.2, fid=60)
    record(tmp_path / "made/vae_flow", 0.3, gain=0.0, fid=20)
    return tmp_path


def test_a_design_that_ignores_its_prompt_cannot_be_judged(ignoring: Path) -> None:
    found = verdicts(ignoring)
    of_it = [name for name in found if name.startswith(("clip-beats-vae", "clip-trains-faster", "vae-flow", "fid-and"))]
    assert len(of_it) == 6
    for name in of_it:
        assert found[name].verdict is Verdict.NOT_ASSESSABLE
        assert found[name].why.startswith("vae_flow has no conditioning gain (0.0033; -0.0092 to 0.016)")
    assert found["flow-beats-mse/geneval"].verdict is Verdict.SUPPORTED
    assert found["flow-beats-mse-alone/geneval"].verdict is Verdict.SUPPORTED
    assert not found["flow-beats-mse/geneval"].without_gain


def test_a_design_with_a_gain_is_judged(ignoring: Path) -> None:
    for run in runs(ignoring):
        if run.design == "vae_flow":
            (run.folder / "curve.jsonl").unlink()
    record(ignoring / "made/vae_flow", 0.3, gain=0.05, fid=20)
    found = verdicts(ignoring)
    assert {found[f"clip-beats-vae/{m}"].verdict for m in ("geneval", "dpg")} == {Verdict.SUPPORTED}
    assert found["vae-flow-has-best-fid"].verdict is Verdict.SUPPORTED


def test_a_score_on_the_floor_cannot_be_judged_and_another_of_the_same_design_can(tmp_path: Path) -> None:
    """Also without a recorded gain, as in older records, which is said."""
    floor = ceilings.blind_floor("geneval/overall") or 0.0
    record(tmp_path / "made/clip_flow", 0.6)
    record(tmp_path / "made/clip_mse", floor + 0.008, dpg=0.9)  # the interval reaches below it
    found = verdicts(tmp_path)
    low = found["flow-beats-mse/geneval"]
    assert low.verdict is Verdict.NOT_ASSESSABLE
    assert low.why.startswith(f"clip_mse does not exceed the prompt-blind floor of {floor:.3f} (GenEval ")
    assert "clip_flow" not in low.why
    assert low.without_gain == ("clip_flow", "clip_mse")
    assert found["flow-beats-mse/dpg"].verdict is Verdict.CONTRADICTED
    text = command.table([*found.values()])
    assert "Conditioning gain is not recorded for clip_flow, clip_mse" in text
    assert "Not assessable: by its 95 % interval" in text


def test_one_seed_is_undecided_as_before(tmp_path: Path) -> None:
    for name in ("clip_flow", "vae_flow"):
        record(tmp_path / "made" / name, 0.6 if name == "clip_flow" else 0.01, gain=0.0, seeds=(0,))
    assert verdicts(tmp_path)["clip-beats-vae/geneval"].verdict is Verdict.UNDECIDED


def test_what_holds_by_construction_is_not_tested(tmp_path: Path) -> None:
    for name, height in {"clip_flow": 0.6, "vae_flow": 0.3, "clip_mse": 0.2, "clip_mse_dit": 0.5}.items():
        record(tmp_path / "a/made" / name, height, spread=0.0 if "mse" in name else 10.0)
        record(tmp_path / "b/made" / name, height, spread=9.0)  # as if noise were drawn somewhere
    constructed, tested = verdicts(tmp_path / "a"), verdicts(tmp_path / "b")
    for name in ("mse-is-deterministic", "mse-is-deterministic-alone"):
        assert constructed[name].verdict is Verdict.BY_CONSTRUCTION
        assert np.isnan([constructed[name].p, constructed[name].p_holm, constructed[name].mdd]).all()
        assert tested[name].verdict is Verdict.CONTRADICTED
    assert "over 11 comparisons" in command.table([*constructed.values()])
    assert "over 13 comparisons" in command.table([*tested.values()])
    same = "clip-beats-vae/geneval"
    assert constructed[same].mdd < tested[same].mdd or constructed[same].mdd == 0  # fewer comparisons to correct for


def test_the_report_shows_every_kind(ignoring: Path) -> None:
    record(ignoring / "made/clip_flow+head.dim=384", 0.61, gain=0.2, fid=60, settings={
        **SETTINGS, "head": {**SETTINGS["head"], "dim": 384}})  # fmt: skip
    for run in runs(ignoring):
        if run.design == "clip_mse":
            (run.folder / "curve.jsonl").unlink()
    record(ignoring / "made/clip_mse", 0.4, gain=0.2, fid=60, spread=0.0)
    found, curves = read(ignoring)
    (section,) = build.sections(found, curves, ignoring)
    shown = markdown("made", [section], [])
    for words in ("∅ not assessable", "≡ by construction", "= equivalent", "✓ supported"):
        assert words in shown
    assert "1 is true by construction, 6 are not assessable" in section.headline


def test_equivalence_has_its_level_and_its_power() -> None:
    rng, margin, n = np.random.default_rng(3), 0.05, 5
    at_the_edge = [equivalence(difference(x), margin) for x in rng.normal(margin, 0.02, (4000, n))]
    assert np.mean(np.array(at_the_edge) <= ALPHA) == pytest.approx(ALPHA, abs=0.012)
    equal = [equivalence(difference(x), margin) for x in rng.normal(0, 0.02, (500, n))]
    assert np.mean(np.array(equal) <= ALPHA) > 0.9
    assert np.isnan(equivalence(difference([0.0]), margin))
    assert equivalence(difference([0.04, 0.04]), margin) == 0 < equivalence(difference([0.06, 0.06]), margin)


@pytest.mark.parametrize("n", [3, 5])
def test_designs_that_differ_by_the_margin_are_rarely_called_equivalent(n: int) -> None:
    """Every claim with a margin is at the edge of it: the family keeps its rate."""
    rng = np.random.default_rng(30 + n)
    truth = dict.fromkeys(NAMES, 0.4 - EQUIVALENT) | {"clip_flow": 0.4, SMALLER: 0.4 - EQUIVALENT}
    wrong = 0
    for _ in range(STUDIES // 2):
        wrong += any(f.verdict is Verdict.EQUIVALENT for f in study(rng, n, truth, 0.01))
    assert wrong / (STUDIES // 2) <= 0.066


def test_equal_designs_with_little_scatter_are_found_equivalent() -> None:
    rng = np.random.default_rng(40)
    found = [f for _ in range(50) for f in study(rng, 5, dict.fromkeys((*NAMES, SMALLER), 0.4), 0.004)]
    aligned = [f.verdict for f in found if f.id.endswith(("/geneval", "/dpg"))]
    assert np.mean([v is Verdict.EQUIVALENT for v in aligned]) > 0.9
    assert all(v in (*DECIDED, Verdict.UNDECIDED) for v in aligned)
