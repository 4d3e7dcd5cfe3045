"""Pictures of a point as a set: the same prompts at every point, distances, and what free attributes are used."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headtohead.eval.benchmarks.base import Item
from headtohead.eval.curve_points import score
from headtohead.eval.curve_points.prompts import SEED, PromptSet, prompt_set
from headtohead.eval.curve_points.real_pictures import RealPictures
from headtohead.eval.judges import pixels
from headtohead.eval.judges.scenes import SceneJudge
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw

ASKED = {"geneval": 48, "dpg": 24}


@pytest.fixture(scope="module")
def test() -> PromptSet:
    return prompt_set("dev", SEED, pictures=ASKED)


@pytest.fixture(scope="module")
def real(test: PromptSet) -> RealPictures:
    return RealPictures.of(test, prompt_set("dev", SEED + 1, pictures=ASKED), "cpu")


def test_the_last_point_compares_pictures_of_the_same_prompts_as_the_others() -> None:
    usual = prompt_set("dev", pictures=ASKED, among=ASKED)
    last = prompt_set("dev", among=ASKED)
    assert usual.compared.all()
    assert len(last.items) > len(usual.items)
    asked = [[item.prompt for item, yes in zip(s.items, s.compared, strict=True) if yes] for s in (usual, last)]
    assert sorted(asked[0]) == sorted(asked[1])


def test_true_pictures_of_other_seeds_have_a_ratio_of_about_one(test: PromptSet, real: RealPictures) -> None:
    again = prompt_set("dev", SEED + 5, pictures=ASKED)
    values = real.values(again.pictures)
    assert {key for key in values if key.startswith("fdr/")} == {"fdr/shipped", "fdr/tower", "fdr/judge"}
    assert 0.7 < values["fdr"] < 1.4
    assert min(values["precision"], values["recall"]) > 0.6


def test_noise_and_one_picture_are_far_away(test: PromptSet, real: RealPictures) -> None:
    noise = real.values(torch.rand(test.pictures.shape, generator=torch.Generator().manual_seed(0)))
    assert noise["fdr"] > 5
    assert noise["recall"] == 0  # its precision is high: one outlying true picture has a wide ball (docs/metrics.md)
    one = real.values(test.pictures[:1].expand(len(test.pictures), -1, -1, -1))
    assert one["fdr"] > 2
    assert one["recall"] < 0.2


def scenes_of(items: list[Item], seed: int, a_prompt: int) -> Scenes:
    """Scenes of the items of which every `a_prompt` in a row are the same."""
    rows = [draw(seed, np.array([k // a_prompt]), request=item.request, held_out=True) for k, item in enumerate(items)]
    return Scenes.cat(rows)


def test_free_colours_and_places_are_used_as_much_as_by_true_pictures_or_not_at_all(test: PromptSet) -> None:
    items = score.several(test, 48)
    true, other, same = (
        SceneJudge(scenes_of(items, seed, a_prompt)).detect(torch.empty(0))
        for seed, a_prompt in ((1, 1), (2, 1), (3, 4))
    )
    used = score.coverage(items, other, true)
    assert used["coverage/colour"] == pytest.approx(1, abs=0.15)
    assert used["coverage/place"] == pytest.approx(1, abs=0.15)
    assert score.coverage(items, same, true) == {"coverage/colour": 0, "coverage/place": 0}
    assert score.coverage(items, [[]] * len(items), true) == {"coverage/colour": 0, "coverage/place": 0}


def test_a_point_records_them(test: PromptSet, real: RealPictures) -> None:
    judge = pixels.load()
    point = score.score(test, test.pictures, judge, real)
    assert {"fid", "fdr", "precision", "recall"} <= set(point.values)
    assert point.n["fdr"] == len(test.items)
    items = score.several(test, 4)
    pictures = render(scenes_of(items, 1, 1))
    diverse = score.diversity(items, {"fixed": pictures}, judge, real.by_space["shipped"].net)
    assert diverse.n["coverage/colour"] == len(items)
