"""Who stands above whom in a report: only designs that claims would compare, on the seeds that claims would use."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from made import SETTINGS, record

from ablations.analysis.claims.declared import findings
from ablations.analysis.curves import read
from ablations.analysis.designs import cells, rank
from ablations.analysis.leaders import leaders
from ablations.analysis.main_effects import main_effects, table
from ablations.report import build
from ablations.report.build import write
from ablations.report.section import Section, section
from headtohead.records import ceilings
from headtohead.records.layout import CURVE
from headtohead.records.metrics import METRICS
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder

ALL = ("geneval/overall", "dpg/overall", "fid")


def shown(sweep: Path) -> Section:
    found, curves = read(sweep)
    return section(sweep.name, found, curves, cells(found, curves)[sweep.name], {})


def cut(run: Path, last: int) -> None:
    lines = (run / CURVE).read_text().splitlines(True)
    (run / CURVE).write_text("".join(line for line in lines if json.loads(line)["step"] <= last))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"judge": "mplug"}, "judge of geneval/overall is judge and mplug"),
        ({"pictures": 500}, "n of geneval/overall is 500 and 744"),
        ({"exam": "bb"}, "exam at step 300 is aa300 and bb300"),
        (
            {"settings": {**SETTINGS, "train": {"steps": 900, "lr": 0.004, "batch": 16}}},
            "train.batch is None for clip_flow and 16 for clip_mse",
        ),
    ],
)
def test_what_claims_refuse_is_not_ranked(tmp_path: Path, other: dict[str, object], reason: str) -> None:
    record(tmp_path / "s/clip_mse", 0.9, fid=1.0, **other)  # type: ignore[arg-type]
    record(tmp_path / "s/clip_flow", 0.6)
    record(tmp_path / "s/vae_flow", 0.3)
    own = shown(tmp_path / "s")
    assert "highest GenEval 0.603 ± 0.013 by clip_flow; highest DPG" in own.headline
    assert "by clip_mse" not in own.headline
    names = [row[0] for row in own.final.rows]
    assert {names[row] for row, _ in own.final.marked} == {"clip_flow"}
    assert f"Not ranked: clip_mse ({reason})." in own.headline
    assert f"Not ranked: clip_mse ({reason})." in own.final.note
    judged = {f.id: f for f in findings(cells(runs(tmp_path))["s"])}
    assert "the records do not compare" in judged["flow-beats-mse/geneval"].why


def test_what_a_sweep_varies_by_name_is_ranked_and_what_it_does_not_is_told_once(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.6)
    record(tmp_path / "s/vae_flow", 0.3)
    smaller = {**SETTINGS, "head": {"dim": 64, "layers": 4}}
    record(tmp_path / "s/clip_flow+head.dim=64", 0.7, settings=smaller)
    for layers in (1, 2):  # and by another batch, which no name tells
        hidden = {**SETTINGS, "head": {"dim": 256, "layers": layers}, "train": {**SETTINGS["train"], "batch": 9}}
        record(tmp_path / f"s/clip_flow+head.layers={layers}", 0.7, settings=hidden)
    found = rank(cells(runs(tmp_path))["s"], ALL)
    assert found.ranked == ("clip_flow", "vae_flow", "clip_flow+head.dim=64")
    assert str(found) == (
        "Not ranked: clip_flow+head.layers=1, clip_flow+head.layers=2 "
        "(train.batch is None for clip_flow and 9 for clip_flow+head.layers=1)."
    )


def test_a_design_that_compares_with_none_is_neither_highest_nor_marked(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.6)
    record(tmp_path / "s/vae_flow", 0.9, judge="mplug")
    own = shown(tmp_path / "s")
    assert "highest" not in own.headline
    assert not own.final.marked


def test_one_seed_that_failed_early_does_not_hold_back_those_that_finished(tmp_path: Path) -> None:
    for design, height in (("clip_flow", 0.6), ("vae_flow", 0.3)):
        record(tmp_path / "s" / design, height)
    cut(tmp_path / "s/clip_flow-s2", 300)
    for seed in range(2):
        Recorder(tmp_path / f"s/clip_flow-s{seed}").status("finished", seconds_training=60.0)
    Recorder(tmp_path / "s/clip_flow-s2").status("failed", reason="NaN", seconds_training=6.0)
    Recorder(tmp_path / "s/clip_flow-s3").begin({"seed": 3})
    Recorder(tmp_path / "s/clip_flow-s3").status("failed", reason="no data")
    own = shown(tmp_path / "s")
    assert [row[:3] for row in own.final.rows] == [["clip_flow", "2", "900"], ["vae_flow", "3", "900"]]
    assert "by clip_flow" in own.headline
    assert "Not ranked" not in own.headline
    assert own.cost.rows[0][own.cost.head.index("training")] == "1.0 min"
    assert "Left out: clip_flow seed 2 is failed, clip_flow seed 3 is failed." in own.final.note
    series = {s["design"]: s for s in own.chart["panels"][0]["series"]}
    assert series["clip_flow"]["steps"] == [300, 600, 900]
    verdict = next(v.finding for v in own.verdicts if v.finding.id == "clip-beats-vae/geneval")
    assert verdict.n == 2  # the same two


def test_while_no_seed_is_finished_the_steps_of_all_that_began_are_shown_and_not_ranked(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.6)
    record(tmp_path / "s/vae_flow", 0.9)
    cut(tmp_path / "s/vae_flow-s1", 600)
    for seed in range(3):
        Recorder(tmp_path / f"s/vae_flow-s{seed}").status("running")
    own = shown(tmp_path / "s")
    assert [row[:3] for row in own.final.rows] == [["clip_flow", "3", "900"], ["vae_flow", "3", "600"]]
    assert own.headline.endswith("Not ranked: vae_flow (no finished seed).")


def test_each_seed_has_its_own_cost_and_number_of_pictures(tmp_path: Path) -> None:
    for seed, price in ((0, 1.0), (1, 3.0)):
        record(tmp_path / "s/clip_flow", 0.6, seeds=(seed,), price=price, everything=2 * price)
    path = tmp_path / "s/clip_flow-s1" / CURVE
    path.write_text(path.read_text().replace('"n": 8', '"n": 3'))
    found, curves = read(tmp_path / "s")
    own = write(tmp_path / "s", found, curves, tmp_path / "none")[0]
    rows = list(csv.DictReader((tmp_path / "s/comparison.csv").read_text().splitlines()))
    told = {(r["metric"], r["seed"]): (float(r["flops"]), int(r["n"])) for r in rows}
    assert told["diversity/fixed", "0"] == (900e9, 8)
    assert told["diversity/fixed", "1"] == (2700e9, 3)
    assert own.cost.rows[0][2:5] == ["2 G", "2 T", "4 T"]
    (diversity,) = own.sets
    assert diversity.rows[0][-1] == "3 to 8"


def test_a_pair_without_a_common_seed_is_refused_and_the_effect_stays(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.6)
    record(tmp_path / "s/vae_flow", 0.4)
    record(tmp_path / "s/clip_mse", 0.5, seeds=(0,))
    record(tmp_path / "s/vae_mse", 0.1, seeds=(1,))
    own = cells(runs(tmp_path))["s"]
    (effect,) = (e for e in main_effects(own, "geneval/overall") if e.axis == "representation")
    assert effect.difference.effect == pytest.approx(-0.2)
    assert effect.pairs == (("clip_flow", "vae_flow"),)
    assert effect.refused == ("clip_mse and vae_mse: no seed in common",)
    told = table(own)
    assert told
    assert "clip_mse and vae_mse: no seed in common" in told.note


def test_effects_whose_pairs_share_no_seed_are_said(tmp_path: Path) -> None:
    for name, seeds in (("clip_flow", (0, 1)), ("vae_flow", (0, 1)), ("clip_mse", (2, 3)), ("vae_mse", (2, 3))):
        record(tmp_path / "s" / name, 0.5, seeds=seeds)
    told = table(cells(runs(tmp_path))["s"])
    assert told
    assert told.rows == []
    assert "representation from clip to vae: no seed in common to its pairs" in told.note


def test_the_size_of_an_effect_has_its_sign(tmp_path: Path) -> None:
    """Better by all metrics: the disagreement that was claimed is contradicted, by bounds and size alike."""
    record(tmp_path / "s/vae_flow", 0.6, fid=25)
    record(tmp_path / "s/clip_flow", 0.3, fid=50)
    for seed in range(3):  # seeds that differ in their difference
        path = tmp_path / f"s/clip_flow-s{seed}" / CURVE
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({**r, "value": r["value"] * (1 + seed / 50)}) + "\n" for r in lines))
    found = {f.id: f for f in findings(cells(runs(tmp_path))["s"])}["fid-and-alignment-disagree"]
    assert found.effect < 0
    assert found.high < 0
    assert found.size < 0


def test_a_winner_is_named_only_where_it_is_decided(tmp_path: Path) -> None:
    """One seed has no interval; of seeds that disagree the best mean may be chance."""
    record(tmp_path / "s/clip_flow", 0.6, seeds=(0,))
    record(tmp_path / "s/vae_flow", 0.3, seeds=(0,))
    own = shown(tmp_path / "s")
    assert "by clip_flow" not in own.headline
    assert "Not decided at the final point, with one seed a design, which has no interval" in own.headline
    assert "the highest GenEval (best means: clip_flow 0.604, vae_flow 0.304)" in own.headline
    assert not own.final.marked
    for seed, height in ((1, 0.1), (2, 0.5)):
        record(tmp_path / "s/clip_flow", height, seeds=(seed,))
        record(tmp_path / "s/vae_flow", 0.3, seeds=(seed,))
    own = shown(tmp_path / "s")
    assert "with 3 seeds a design" in own.headline
    assert "by " not in own.headline
    assert not own.final.marked
    assert own.equal_cost is not None
    assert not own.equal_cost.marked


def test_the_best_of_many_designs_needs_more_than_the_better_of_two() -> None:
    """The p-value of a leader is multiplied by the number of designs among which it was chosen."""
    apart = {0: 0.5, 1: 0.50, 2: 0.54}
    none = dict.fromkeys(apart, 0.3)
    assert leaders([(METRICS["geneval/overall"], {"a": apart, "b": none})]) == ["a"]
    many = {f"b{k}": none for k in range(12)}
    assert leaders([(METRICS["geneval/overall"], {"a": apart, **many})]) == [""]
    assert leaders([(METRICS["fid"], {"a": {0: 90.0, 1: 91.0, 2: 92.0}, "b": {0: 30.0, 1: 30.3, 2: 30.6}})]) == ["b"]
    assert leaders([(METRICS["fid"], {"a": apart}), (METRICS["fid"], {})]) == ["", ""]
    assert leaders([(METRICS["fid"], {"a": {0: 1.0, 1: 1.1}, "b": {2: 9.0, 3: 9.1}})]) == [""]  # no seed in common


@pytest.mark.usefixtures("undrawn")
def test_a_report_of_one_design_begins_with_what_it_shows(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.6, settings={**SETTINGS, "train": {"steps": 900, "batch": 64}})
    build.main([str(tmp_path / "s")])
    page, text = (tmp_path / "s/report.html").read_text(), (tmp_path / "s/report.md").read_text()
    told = "clip_flow (representation clip, objective flow, backbone frozen, head dit) was trained for 900 steps of 64 "
    low, top = ceilings.blind_floor("geneval/overall"), ceilings.ceiling("clip")["geneval/overall"]
    assert f"{told}samples with 3 seeds. It reached GenEval 0.603 ± 0.013 (floor {low:.3f}, ceiling {top:.3f})" in page
    assert "Of 0 findings" not in page
    assert text.splitlines()[2].startswith(told)
    for shown_first, last in ((page, "Verdicts on the paper's findings</h2>"), (text, "### Verdicts on the paper's")):
        assert shown_first.index("Final point") < shown_first.index(last)
    record(tmp_path / "s/vae_flow", 0.3)
    build.main([str(tmp_path / "s")])
    page = (tmp_path / "s/report.html").read_text()
    assert page.index("Verdicts on the paper's findings</h2>") < page.index("Final point")
