"""Prompts: dev and test apart, files as generated, true pictures of each exist and the judge agrees."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest
import torch

from headtohead.eval.benchmarks.dpg import DPG
from headtohead.eval.benchmarks.geneval import GENEVAL, synthetic_prompts
from headtohead.eval.judges.pixels import PixelJudge
from headtohead.synthetic.prompts import dense_prompts, short_prompts
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw

SPLITS: tuple[short_prompts.Split, ...] = ("dev", "test")


@pytest.mark.parametrize("split", SPLITS)
def test_the_shipped_files_are_what_the_code_makes(split: short_prompts.Split, tmp_path) -> None:
    assert short_prompts.read(short_prompts.FOLDER / split / "geneval.jsonl") == short_prompts.geneval(split)
    dense_prompts.write(tmp_path / "dpg.csv", dense_prompts.dense(split))
    assert (tmp_path / "dpg.csv").read_bytes() == (short_prompts.FOLDER / split / "dpg.csv").read_bytes()


def test_dev_and_test_share_no_prompt() -> None:
    assert not {p.prompt for p in short_prompts.geneval("dev")} & {p.prompt for p in short_prompts.geneval("test")}
    assert not {p.text for p in dense_prompts.dense("dev")} & {p.text for p in dense_prompts.dense("test")}


@pytest.mark.parametrize("split", SPLITS)
def test_each_task_has_as_many_prompts_as_the_world_allows(split: short_prompts.Split) -> None:
    number = Counter(p.tag for p in short_prompts.geneval(split))
    assert set(number) == set(short_prompts.TASKS)
    assert number["single_object"] == 8 * 2  # every shape in two wordings
    assert number["counting"] == 8 * 3 * 2
    assert min(number[t] for t in ("two_object", "colors", "position", "color_attr")) >= 100
    assert len(dense_prompts.dense(split)) >= 100


def test_seen_is_what_training_can_show() -> None:
    """A seen prompt has training pictures; no picture of an unseen prompt is a training picture."""
    for k, p in enumerate(short_prompts.geneval("test")):
        scenes = draw(1, 4 * k + np.arange(4), request=short_prompts.request(p), held_out=True)
        if p.seen:
            draw(1, np.arange(1), request=short_prompts.request(p))
        else:
            assert not scenes.seen.any(), p.prompt


def test_the_judge_agrees_with_true_pictures_of_dense_prompts(pixel_judge: PixelJudge) -> None:
    items = DPG.synthetic("test")[::2]
    scenes = Scenes.cat([draw(2, np.array([k]), request=p.request, held_out=True) for k, p in enumerate(items)])
    judges = {"answerer": pixel_judge}
    assert DPG.scores(items, DPG.judge(items, render(scenes), judges))["overall"] > 0.98
    assert DPG.scores(items, DPG.judge(items, render(scenes).roll(7, 0), judges))["overall"] < 0.5


def test_the_judge_agrees_with_true_pictures_of_every_task(pixel_judge: PixelJudge) -> None:
    items = synthetic_prompts("dev")[::3]
    scenes = Scenes.cat([draw(2, np.array([k]), request=p.request, held_out=True) for k, p in enumerate(items)])
    judges = {"detector": pixel_judge, "colours": pixel_judge}
    scores = GENEVAL.scores(items, GENEVAL.judge(items, render(scenes), judges))
    assert min(scores.values()) > 0.97
    wrong = GENEVAL.scores(items, GENEVAL.judge(items, torch.roll(render(scenes), 50, 0), judges))
    assert wrong["overall"] < 0.3


def test_the_csv_has_dpg_benchs_columns() -> None:
    with (short_prompts.FOLDER / "test" / "dpg.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert tuple(rows[0]) == dense_prompts.COLUMNS
    assert all(row["tuple"].startswith(row["category_broad"]) for row in rows)
    assert {row["category_broad"] for row in rows} == {"entity", "attribute", "relation", "global", "other"}
