"""Frames of records: columns as documented, several folders at once, damage left out; docs/records.md runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from made import record

import headtohead
from ablations.analysis.curves import read
from ablations.report import build
from headtohead.records import frames, metrics
from headtohead.records.recorder import Recorder

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "records.md").read_text()
FRAMES = {"runs": frames.RUNS, "curves": frames.CURVES, "prompts": frames.PROMPT_SCORES, "costs": frames.COSTS}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for sweep, design in (("one", "clip_flow"), ("one", "vae_flow"), ("two", "clip_flow+train.lr=0.004")):
        record(tmp_path / sweep / design, 0.5, seeds=(0, 1))
    first = Recorder(tmp_path / "one/clip_flow-s0")
    first.prompt_set("aa900", [{"prompt": "a star", "task": "counting", "seen": True}])
    first.status("finished", trainable=5, seconds_training=90.0, machine={"name": "x"})
    return tmp_path


@pytest.mark.parametrize("name", FRAMES)
def test_columns_are_those_of_the_page(name: str, results: Path) -> None:
    frame = getattr(headtohead.load(str(results)), name)
    of = {"": {}} | {
        p.split(":")[0]: dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", p, re.M)) for p in PAGE.split("\n### ")
    }
    first = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.split("\n### ")[0], re.M))
    assert first | of[name] == FRAMES[name]
    assert {c: str(frame[c].dtype) for c in FRAMES[name]} == FRAMES[name]
    assert list(frame)[: len(FRAMES[name])] == list(FRAMES[name])


def test_what_was_recorded_is_in_the_frames(results: Path) -> None:
    own = headtohead.load(results)
    assert own.runs.groupby("sweep", observed=True).size().to_dict() == {"one": 4, "two": 2}
    assert set(own.runs.design) == {"clip_flow", "vae_flow", "clip_flow+train.lr=0.004"}
    assert own.runs["train.lr"].tolist() == [0.004] * 6
    assert own.runs.objective.tolist() == ["flow"] * 6
    last = own.curves.query("metric == 'geneval/overall' and step == 900 and sweep == 'one' and run == 'clip_flow-s1'")
    assert last[["seed", "value", "n", "judge"]].values.tolist() == [[1, pytest.approx(0.498), 744, "judge"]]
    assert own.curves.flops_total.isna().all()
    told = own.prompts.query("run == 'clip_flow-s0' and step == 900").iloc[0]
    assert (told.prompt, told.task, bool(told.seen), told.number) == ("a star", "counting", True, 0)
    assert own.prompts.query("step == 300").prompt.isna().all()  # no list of its prompts
    cost = own.costs.set_index(["sweep", "run"]).loc[("one", "clip_flow-s0")]
    assert (cost.trainable, cost.seconds_training, cost.machine) == (5, 90.0, "x")
    assert not own.damage


def test_any_folders_and_a_run_once(results: Path) -> None:
    assert len(headtohead.load(results / "one").runs) == 4
    assert len(headtohead.load(str(results / "one/clip_flow-s0")).runs) == 1
    assert len(headtohead.load(results / "one", results / "two", results / "one/clip_flow-s0").runs) == 6


def test_damage_is_warned_of_and_left_out(results: Path) -> None:
    curve = results / "one/clip_flow-s0/curve.jsonl"
    curve.write_bytes(curve.read_bytes()[:-30])
    (results / "one/clip_flow-s1/config.json").write_text("{")
    with pytest.warns(UserWarning, match="left out") as told:
        own = headtohead.load(results)
    assert {curve, results / "one/clip_flow-s1/config.json"} == set(own.damage)
    assert len(told) == 2
    assert len(own.runs) == 5
    assert len(own.curves.query("sweep == 'one' and run == 'clip_flow-s0'")) == 17


def test_the_example_of_the_page_runs_without_torch() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    code += "\nimport sys; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "clip_flow" in done.stdout


def test_importing_loads_no_pandas() -> None:
    code = "import sys, headtohead, ablations.report.build; print([m for m in ('torch', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_report_s_tables_are_what_the_frames_say() -> None:
    """The reference's numbers, by pandas alone: the last point, the mean of three, the best."""
    curves = headtohead.load(ROOT / "results/reference").curves
    (section,) = build.sections(*read(ROOT / "results/reference"), ROOT)
    for metric in metrics.group("score"):
        each = curves[curves.metric == metric.key].groupby(["design", "seed"], observed=True).value
        wanted = (each.last(), each.apply(lambda v: v.iloc[-3:].mean()), each.max() if metric.higher else each.min())
        for table, scores in zip((section.final, *section.details), wanted, strict=True):
            at, means = table.head.index(metric.name), scores.groupby(level="design", observed=True).mean()
            assert {row[0]: row[at].split(" ± ")[0] for row in table.rows} == {
                d: metric.text(v) for d, v in means.items()
            }
    flops = curves.groupby(["design", "seed"], observed=True).flops.max().groupby(level="design", observed=True).mean()
    assert {row[0]: row[3] for row in section.cost.rows} == {d: f"{v / 1e12:,.0f} T" for d, v in flops.items()}
    diversity = section.sets[-1]
    last = curves[(curves.metric == "diversity/fixed_all") & (curves.step == curves.step.max())]
    drawn = last.groupby("design", observed=True).value
    assert {row[0]: row[4].split()[0] for row in diversity.rows} == {d: f"{v:.2f}" for d, v in drawn.mean().items()}


def test_the_report_s_comparison_is_a_frame(results: Path) -> None:
    build.make(results / "one")
    table = pd.read_csv(results / "one/comparison.csv")
    last = headtohead.load(results / "one").curves.query("step == 900")
    both = table.merge(last.astype({"design": "str", "metric": "str"}), on=["design", "metric", "seed"])
    assert len(both) == len(table) == len(last)
    assert (both.value_x == both.value_y).all()
