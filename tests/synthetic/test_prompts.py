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
from headtohead.synthetic.scenes import FREE, Scenes, draw
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES

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


@pytest.mark.parametrize("split", SPLITS)
def test_every_question_asks_what_the_prompt_says(split: short_prompts.Split) -> None:
    """A name, colour, size or background that a question has stands in the text; what is not named is not asked."""
    for p in dense_prompts.dense(split):
        text = p.text.lower()
        for q in p.propositions:
            assert all(part in text for part in q.fact.split(", ") if q.category.startswith(("attribute", "global"))), p
            assert q.fact.split(", ")[0] in text or q.fact.startswith("shapes"), p
        asked = Counter(q.category for q in p.propositions)
        assert asked["entity - whole"] == len(set(p.request.shape))
        assert asked["global - background"] == (p.request.background != FREE) == ("background" in text)
        if not p.request.relations:  # a relation names two things again
            coloured = [f"{c} {SHAPES[s]}" for c in COLOUR_NAMES for s in set(p.request.shape)]
            assert asked["attribute - color"] == sum(map(text.count, coloured)), p
        assert asked["relation - place"] <= 1
        assert len(p.propositions) >= dense_prompts.LEAST


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
