"""Verdicts on made records, what is left out of them, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import SETTINGS, record

from ablations.analysis.claims import command, declared
from ablations.analysis.claims.declared import Finding, of_the_paper
from ablations.analysis.curves import read
from ablations.analysis.designs import cells, near_floor
from ablations.analysis.main_effects import main_effects
from ablations.analysis.statistics import SMALLEST, Verdict
from ablations.report import build
from ablations.report.html.document import page
from ablations.report.markdown import markdown
from headtohead.records import ceilings
from headtohead.records.layout import PROMPTS
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """As the paper says, but for DPG, which is as GenEval here; MSE has too few right pictures to measure diversity."""
    folder = tmp_path / "made"
    record(folder / "clip_flow", 0.6, fid=50)
    record(folder / "vae_flow", 0.4, fid=25)
    record(folder / "clip_mse", 0.2, fid=90, spread=None)
    record(folder / "clip_mse_dit", 0.7, fid=95, spread=0.0)
    larger = {**SETTINGS, "head": {"dim": 384, "layers": 4}}
    record(folder / "clip_flow+head.dim=384", 0.605, fid=50, settings=larger)
    return folder


def verdicts(folder: Path) -> dict[str, Finding]:
    (found,) = declared.evaluate(runs(folder)).values()
    return {f.id: f for f in found}


def test_the_paper_is_found_right_and_wrong_where_it_is(sweep: Path) -> None:
    found = verdicts(sweep)
    assert {name: f.verdict.value for name, f in found.items()} == {
        "clip-beats-vae/geneval": "supported",
        "clip-beats-vae/dpg": "supported",
        "clip-trains-faster/geneval": "supported",
        "clip-trains-faster/dpg": "supported",
        "flow-beats-mse/geneval": "supported",
        "flow-beats-mse/dpg": "supported",
        "flow-beats-mse-alone/geneval": "contradicted",
        "flow-beats-mse-alone/dpg": "contradicted",
        "mse-is-deterministic": "undecided",
        "mse-is-deterministic-alone": "by construction",
        "flow-is-diverse": "undecided",
        "larger-dit-helps/geneval": "equivalent",
        "larger-dit-helps/dpg": "equivalent",
        "vae-flow-has-best-fid": "supported",
        "fid-and-alignment-disagree": "supported",
        "sequential-beats-joint": "no records",
    }
    assert found["clip-beats-vae/geneval"].effect == pytest.approx(0.2)
    assert found["clip-beats-vae/geneval"].detail == "GenEval: clip_flow 0.603, vae_flow 0.403 at step 900"
    assert found["clip-trains-faster/geneval"].effect == pytest.approx(0.1)
    assert found["flow-beats-mse-alone/dpg"].effect == pytest.approx(-0.1)
    assert "has no diversity/fixed_all at its last point" in found["mse-is-deterministic"].why
    assert found["flow-is-diverse"].effect == 0  # half of the renders' diversity: exactly what is asked for
    assert "smaller than the smallest effect of interest" in found["larger-dit-helps/geneval"].why
    assert found["vae-flow-has-best-fid"].detail.startswith("FID: vae_flow 25.3, clip_flow 50.3")
    assert "FID orders otherwise 4 of 6 pairs of designs by GenEval" in found["fid-and-alignment-disagree"].detail


def test_a_design_that_is_better_by_all_metrics_contradicts_their_disagreement(tmp_path: Path) -> None:
    record(tmp_path / "made/vae_flow", 0.6, fid=25)
    record(tmp_path / "made/clip_flow", 0.3, fid=50)
    record(tmp_path / "made/clip_mse", 0.3, fid=20)
    found = verdicts(tmp_path)
    assert found["fid-and-alignment-disagree"].verdict is Verdict.CONTRADICTED
    assert found["fid-and-alignment-disagree"].effect < 0
    assert found["fid-and-alignment-disagree"].high < 0
    assert found["vae-flow-has-best-fid"].verdict is Verdict.CONTRADICTED
    assert found["vae-flow-has-best-fid"].detail.startswith("FID: vae_flow 25.3, clip_mse 20.3")


def test_what_is_the_same_in_every_seed_has_words_instead_of_a_p_value(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verdicts(sweep)
    same = found["mse-is-deterministic-alone"]
    assert (same.verdict, same.constant) == (Verdict.BY_CONSTRUCTION, True)
    assert same.why.startswith("holds by construction: a regression draws no noise; the same number in all 3 seeds")
    assert not found["larger-dit-helps/dpg"].why.startswith("holds by construction")
    scattered = found["vae-flow-has-best-fid"]
    assert (scattered.constant, scattered.p > 0) == (False, True)
    for f in found.values():
        cells = dict(zip(command.HEAD, command.row(f), strict=True))
        assert not {cells["p"], cells["Holm"], cells["detectable"]} & {"0", "1"}
        assert (cells["95 % interval"] == "same in every seed") == f.constant == (cells["p"] == "–")
    told = {str(f["id"]): f for f in command.plain([*found.values()])}
    assert [told[same.id][key] for key in ("p", "p_holm", "mdd")] == [None] * 3
    assert command.main([str(sweep)]) == 0
    assert "the same in every seed leaves nothing to test: its sign decides" in capsys.readouterr().out


def test_a_verdict_says_which_designs_are_near_the_floor(tmp_path: Path) -> None:
    floor = ceilings.blind_floor("geneval/overall")
    record(tmp_path / "made/clip_flow", 0.6)
    record(tmp_path / "made/vae_flow", 0.01)
    record(tmp_path / "made/clip_mse", floor + 0.005)
    record(tmp_path / "made/clip_mse_dit", floor + SMALLEST)
    found = verdicts(tmp_path)
    scored = f"the floor of {floor:.3f}, the score of pictures that ignore their prompts"
    assert found["clip-beats-vae/geneval"].detail.endswith(f"at step 900; vae_flow is below {scored}")
    assert found["flow-beats-mse/geneval"].detail.endswith(f"; clip_mse is near {scored}")
    assert "floor" not in found["flow-beats-mse-alone/geneval"].detail
    for run in runs(tmp_path):
        if run.design == "clip_flow":
            (run.folder / "curve.jsonl").unlink()
    record(tmp_path / "made/clip_flow", 0.03)
    both = verdicts(tmp_path)["clip-beats-vae/geneval"].detail
    assert both.endswith(f"both are below {scored}, so that their difference says little")
    (own,) = cells(runs(tmp_path)).values()
    effects = {e.axis: e for e in main_effects(own, "geneval/overall")}
    assert effects["representation"].floored == len(effects["representation"].pairs) == 1
    (section,) = build.sections(*read(tmp_path), tmp_path)
    assert f"Near the floor of GenEval, {floor:.3f}, or below it: clip_mse, clip_flow, vae_flow." in section.final.note
    curve = own[0].curves["geneval/overall"]
    judged = replace(curve, terms=tuple(tuple(t and t._replace(mode="geneval") for t in row) for row in curve.terms))
    assert near_floor(curve, 0.0) == floor
    assert near_floor(judged, 0.0) is None  # nobody knows the floor of another judge


def test_seeds_that_are_not_finished_are_left_out_and_said(sweep: Path) -> None:
    Recorder(sweep / "clip_flow-s1").status("running")
    Recorder(sweep / "vae_flow-s2").status("failed", reason="NaN")
    found = verdicts(sweep)["clip-beats-vae/geneval"]
    assert (found.verdict, found.n) == (Verdict.UNDECIDED, 1)
    assert found.why == "one seed has no interval; left out: clip_flow seed 1 is running, vae_flow seed 2 is failed"
    for seed in (0, 2):
        Recorder(sweep / f"clip_flow-s{seed}").status("running")
    found = verdicts(sweep)["clip-beats-vae/geneval"]
    assert (found.verdict, found.why) == (Verdict.NO_RECORDS, "no finished run of clip_flow")


def test_curves_that_were_read_already_give_the_same_verdicts(sweep: Path) -> None:
    Recorder(sweep / "vae_flow-s2").status("running")
    found, drawn = read(sweep)
    assert command.plain(declared.evaluate(found, drawn)["made"]) == command.plain(declared.evaluate(found)["made"])


def test_seeds_are_paired_by_their_number(tmp_path: Path) -> None:
    record(tmp_path / "made/clip_flow", 0.6, seeds=(1, 2, 3, 4))
    record(tmp_path / "made/vae_flow", 0.3, seeds=(0, 4, 2, 3))
    found = verdicts(tmp_path)["clip-beats-vae/geneval"]
    assert found.n == 3
    assert found.effect == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"judge": "mplug"}, "judge of geneval/overall is judge and mplug"),
        ({"pictures": 500}, "n of geneval/overall is 500 and 744"),
        ({"exam": "bb"}, "exam at step 300 is aa300 and bb300"),
        ({"settings": {**SETTINGS, "query": {"number": 9}}}, "query.number is 16 for clip_flow and 9 for vae_flow"),
        ({"seeds": (5, 6)}, "seed: clip_flow and vae_flow share none"),
    ],
)
def test_records_that_do_not_compare_are_refused_by_the_field(tmp_path: Path, other: Any, reason: str) -> None:
    record(tmp_path / "made/clip_flow", 0.6)
    record(tmp_path / "made/vae_flow", 0.3, **other)
    found = verdicts(tmp_path)["clip-beats-vae/geneval"]
    assert (found.verdict, found.n) == (Verdict.UNDECIDED, 0)
    assert reason in found.why


def test_learning_rates_that_were_chosen_for_each_design_belong_to_it(tmp_path: Path) -> None:
    record(tmp_path / "made/clip_flow", 0.6)
    record(tmp_path / "made/vae_flow", 0.3, settings={**SETTINGS, "train": {"steps": 900, "lr": 0.001}})
    assert verdicts(tmp_path)["clip-beats-vae/geneval"].verdict is Verdict.SUPPORTED


def test_a_grid_over_learning_rates_has_no_design_to_judge(tmp_path: Path) -> None:
    for lr in (0.001, 0.002):
        settings = {**SETTINGS, "train": {"steps": 900, "lr": lr}}
        record(tmp_path / f"made/clip_flow+train.lr={lr}", 0.6, settings=settings)
    found = verdicts(tmp_path)["clip-beats-vae/geneval"]
    assert (found.verdict, found.why) == (Verdict.NO_RECORDS, "2 variants of clip_flow and none of them plain")


def test_the_command_prints_a_table_and_json(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(sweep)]) == 0
    text = capsys.readouterr().out
    assert re.search("contradicted +flow-beats-mse-alone/geneval", text)
    assert "over 13 comparisons" in text
    assert command.main([str(sweep), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out).values()
    assert [f["id"] for f in found] == [c.id for c in of_the_paper()]
    assert found[-1]["verdict"] == "no records"
    assert found[-1]["effect"] is None


def test_nothing_to_judge_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    record(tmp_path / "clip_flow", 0.5)
    (tmp_path / "clip_flow-s0" / "curve.jsonl").write_text("no JSON\n")
    assert command.main([str(tmp_path)]) == 2
    assert "curve.jsonl: line 1 is not JSON" in capsys.readouterr().err


def test_the_step_of_an_exam_is_read_as_it_is_written(tmp_path: Path) -> None:
    record(tmp_path / "clip_flow", 0.5, seeds=(0,))
    (run,) = runs(tmp_path)
    assert run.exams() == {300: "aa300", 600: "aa600", 900: "aa900"}
    with (run.folder / PROMPTS).open("a") as f:
        f.write('{"step": 1200, "ex')  # as a kill leaves it
    assert len(run.exams()) == 3


def test_one_seed_of_everything_decides_nothing_and_counts_for_nothing(tmp_path: Path) -> None:
    for name, height in {"clip_flow": 0.6, "vae_flow": 0.3, "clip_mse": 0.2, "clip_mse_dit": 0.7}.items():
        record(tmp_path / "made" / name, height, seeds=(0,), fid=100 * height)
    found = verdicts(tmp_path)
    tested = [f for f in found.values() if f.n]
    assert len(tested) == 13
    assert all(f.verdict is Verdict.UNDECIDED and f.p != f.p and f.why == "one seed has no interval" for f in tested)
    assert "over 0 comparisons" in command.table(tested)


def test_reading_claims_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ablations.analysis.claims import declared; "
        "print([m for m in ('torch', 'lightning', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_size_of_an_effect_stands_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "made/clip_flow", 0.6)
    record(tmp_path / "made/vae_flow", 0.3)
    path = tmp_path / "made/vae_flow-s2/curve.jsonl"
    path.write_text(path.read_text().replace('"value": 0.308', '"value": 0.358'))
    found = verdicts(tmp_path)["clip-beats-vae/geneval"]
    differences = np.array([0.3, 0.3, 0.25])
    assert found.size == pytest.approx(differences.mean() / differences.std(ddof=1) * 0.5642, rel=1e-3)
    told = dict(zip(command.HEAD, command.row(found), strict=True))
    assert told["g"] == f"{found.size:+.2g}"
    assert command.main([str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert f"  {found.size:+.2g}  " in text
    assert "g: the effect in standard deviations over seeds" in text
    (section,) = build.sections(*read(tmp_path), tmp_path)
    for shown in (markdown("made", [section], []), page("report.html", {}, (), (), title="made", sections=[section])):
        assert f"{found.size:+.2g}" in shown
        assert "in standard deviations over seeds" in shown
