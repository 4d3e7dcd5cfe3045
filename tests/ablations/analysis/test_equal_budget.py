"""Curves at equal cost and main effects, on made records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made import SETTINGS, record

from ablations.analysis.curves import FLOPS, FLOPS_TOTAL, SECONDS, STEPS, curves
from ablations.analysis.designs import cells
from ablations.analysis.equal_budget import Incomparable, equal
from ablations.analysis.main_effects import main_effects
from ablations.report.html.chart import chart
from ablations.report.styles import looks
from ablations.report.tables.scores import cost, measured
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder


def test_three_views_meet_at_what_all_have_reached(tmp_path: Path) -> None:
    record(tmp_path / "made/clip_flow", 0.9, price=2.0)
    record(tmp_path / "made/vae_flow", 0.45)
    drawn = {c.design: c for c in curves(runs(tmp_path)) if c.metric == "geneval/overall"}
    pair = [drawn["clip_flow"], drawn["vae_flow"]]
    at = equal(pair, STEPS)
    assert (at.budget, at.until) == (900, 900)
    # Points on the way end at step 600 (600 GFLOPs, 1,200 at the double price); the last one asks other prompts.
    at = equal(pair, FLOPS)
    assert at.budget == 600e9
    assert at.values[0] == pytest.approx([0.304, 0.298, 0.308])  # at step 300
    assert at.values[1] == pytest.approx([0.304, 0.298, 0.308])  # at step 600
    assert equal(pair, FLOPS, 0.9).budget == 600e9  # a share of 900, but that lies behind the last point on the way
    assert equal([pair[1]], FLOPS, 0.5).budget == 450e9
    assert equal(pair, SECONDS).values[0] == pytest.approx([0.604, 0.598, 0.608])
    at = equal(pair, FLOPS_TOTAL)
    assert (at.by, at.note) == (FLOPS, "in training FLOPs of head and language model, for some record lacks the total")
    total = [replace(c, spent={**c.spent, FLOPS_TOTAL: 3 * c.spent[FLOPS]}) for c in pair]
    assert (equal(total, FLOPS_TOTAL).by, equal(total, FLOPS_TOTAL).budget) == (FLOPS_TOTAL, 1800e9)
    chart_axes = [axis["key"] for axis in chart(list(drawn.values()), looks(drawn))["axes"]]
    assert chart_axes == [STEPS, FLOPS, SECONDS]
    dear = replace(pair[0], spent={**pair[0].spent, FLOPS: 10 * pair[0].spent[FLOPS]})
    with pytest.raises(Incomparable, match="by its first point one has spent more than 600 GFLOPs"):
        equal([dear, pair[1]], FLOPS)


def test_the_account_of_everything_is_an_axis_where_every_record_keeps_it(tmp_path: Path) -> None:
    record(tmp_path / "made/clip_flow", 0.9, price=1.0, everything=4.0)
    record(tmp_path / "made/vae_flow", 0.45, price=2.0, everything=2.0)
    found = runs(tmp_path)
    drawn = {c.design: c for c in curves(found) if c.metric == "geneval/overall"}
    pair = [drawn["clip_flow"], drawn["vae_flow"]]
    # By head and language model alone CLIP is the cheaper one; with encoder and decoder it is the dearer one.
    head, whole = equal(pair, FLOPS), equal(pair, FLOPS_TOTAL)
    assert (head.budget, whole.budget) == (600e9, 1200e9)
    assert head.values[0].mean() > whole.values[0].mean()
    assert whole.note == ""
    shown = chart(list(drawn.values()), looks(drawn))
    assert [axis["name"] for axis in shown["axes"]] == ["Steps", "FLOPs", "FLOPs of everything", "Wall time"]
    assert shown["panels"][0]["series"][0]["x"][FLOPS_TOTAL][-1] == 3600e9
    own = cost(measured("made", found, curves(found)))
    at = own.head.index("with everything")
    assert [row[at] for row in own.rows] == ["4 T", "2 T"]


def test_main_effects_come_from_pairs_that_differ_in_one_axis(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    heights = {"clip_flow": 0.6, "vae_flow": 0.4, "clip_mse_dit": 0.5, "vae_mse_dit": 0.1, "clip_mse": 0.9}
    for name, height in heights.items():
        record(folder / name, height)
    record(folder / "clip_flow+design.backbone=trained", 0.65)
    config = json.loads((folder / "clip_flow-s0/config.json").read_text())
    for seed in (0, 1, 2):
        axes = {**config["design"], "backbone": "trained"}
        Recorder(folder / f"clip_flow+design.backbone=trained-s{seed}").begin({**config, "seed": seed, "design": axes})
    record(folder / "clip_flow+head.dim=128", 0.55, settings={**SETTINGS, "head": {"dim": 128, "layers": 4}})
    (own,) = cells(runs(tmp_path)).values()
    found = {e.axis: e for e in main_effects(own, "geneval/overall")}
    assert {axis: round(e.difference.effect, 9) for axis, e in found.items()} == {
        "representation": -0.3,  # the mean of -0.2 with flow and -0.4 with MSE
        "objective": 0.2,
        "backbone": 0.05,
        "head.dim": 0.05,
    }
    assert found["representation"].pairs == (("clip_flow", "vae_flow"), ("clip_mse_dit", "vae_mse_dit"))
    assert (found["objective"].before, found["objective"].after) == ("mse", "flow")
    assert (found["head.dim"].before, found["head.dim"].after) == ("128", "256")
    assert all(e.difference.n == 3 for e in found.values())
