"""What ships is what today's recipes make, small enough to ship, and as good as its card says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from headtohead.eval.curve_points.prompts import PromptSet, prompt_set
from headtohead.eval.curve_points.real_pictures import RealPictures
from headtohead.eval.curve_points.score import score
from headtohead.eval.foundations import ceilings
from headtohead.eval.judges.pixels import PixelJudge
from headtohead.pretrained.loading import shipped, weight_files
from headtohead.pretrained.making import recipes
from headtohead.pretrained.making.recipes import READERS, RECIPES, TOWERS, recipe_hash
from headtohead.pretrained.making.stages import STAGES, current
from headtohead.pretrained.networks import small_llama
from headtohead.synthetic.dataset import pictures_of_step
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw


@pytest.mark.parametrize("name", RECIPES)
def test_the_weights_are_of_todays_recipe(name: str) -> None:
    assert weight_files.card(name)["recipe_hash"] == recipe_hash(name), (
        f"recipe of {name} changed: run `make foundations`"
    )
    assert weight_files.recipe_of(name) == recipe_hash(name)


def test_a_changed_recipe_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dataclasses.replace(RECIPES["vae"], budget=dataclasses.replace(RECIPES["vae"].budget, lr=1.0))
    monkeypatch.setitem(RECIPES, "vae", changed)
    assert not current("vae")
    assert not current("decoder_clip")  # it stands on the VAE
    assert current("judge")


def test_other_captions_make_only_the_models_out_of_date_that_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: recipe_hash(name) for name in RECIPES}
    monkeypatch.setattr(recipes, "captions_hash", lambda: "other captions")
    changed = {name for name in RECIPES if recipe_hash(name) != before[name]}
    assert changed == {*READERS, "decoder_clip"}


def test_other_pictures_make_every_model_out_of_date(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: recipe_hash(name) for name in RECIPES}
    monkeypatch.setattr(recipes, "pictures_hash", lambda held: "other pictures")
    assert {name for name in RECIPES if recipe_hash(name) == before[name]} == {"tokenizer", "language"}


def test_every_recipe_has_its_stage() -> None:
    assert set(STAGES) == set(RECIPES)


def test_the_package_stays_small() -> None:
    assert sum(f.stat().st_size for f in weight_files.WEIGHTS.iterdir()) < 25e6


def test_weights_are_finite() -> None:
    for name in RECIPES:
        for key, value in weight_files.tensors(name).items():
            assert torch.isfinite(value).all(), (name, key)


def test_missing_weights_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make foundations"):
        shipped.vae(folder=tmp_path)


@pytest.fixture(scope="module")
def asked() -> PromptSet:
    return prompt_set("dev", seed=41, pictures={"geneval": 90, "dpg": 30})


@torch.no_grad()
def test_ceilings(asked: PromptSet, pixel_judge: PixelJudge) -> None:
    """A sample of what the table in docs/embedded-world.md holds in full."""
    real = RealPictures.of(asked, asked, "cpu")
    codecs = ceilings.codecs(towers=("clip",))
    for name, least in (("renders", 0.99), ("vae", 0.97), ("clip", 0.8)):
        pictures = ceilings.through(codecs[name], asked.pictures) if name in codecs else asked.pictures
        point = score(asked, pictures, pixel_judge, real)
        assert point.values["geneval/overall"] >= least
        assert len(point.scores) == len(asked.rows) == point.n["fid"]


@torch.no_grad()
@pytest.mark.parametrize("name", TOWERS)
def test_towers_give_sixteen_standardised_tokens(name: str) -> None:
    tower = shipped.tower(name)
    tokens = tower.encode(pictures_of_step(99, 0, 256))
    assert tokens.shape == (256, 16, 192)
    assert tokens.mean().abs() < 0.05
    assert tokens.std() == pytest.approx(1, abs=0.1)


@torch.no_grad()
def test_reconstruction_is_deterministic_and_a_function_of_the_picture_alone() -> None:
    tower, decoder = shipped.tower("clip"), shipped.clip_decoder("clip")
    pictures = pictures_of_step(98, 0, 6)
    whole = decoder.decode(tower.encode(pictures))
    assert torch.equal(whole, decoder.decode(tower.encode(pictures)))
    assert torch.allclose(whole[2:3], decoder.decode(tower.encode(pictures[2:3])), atol=1e-4)
    drawn = decoder.decode(tower.encode(pictures), decoder.noise(6, seed=1))
    assert not torch.equal(whole, drawn)


@torch.no_grad()
def test_vae_latents_are_standardised() -> None:
    latents = shipped.vae().encode(pictures_of_step(97, 0, 256))
    assert latents.shape == (256, 4, 8, 8)
    assert latents.mean().abs() < 0.1
    assert latents.std() == pytest.approx(1, abs=0.15)


@torch.no_grad()
def test_features_tell_worlds_apart() -> None:
    """Independent renders are near, other scenes are not: what FID stands on."""
    net, index = shipped.feature_net(), np.arange(600)
    a, b = (net(render(draw(seed, index))).double().numpy() for seed in (51, 52))
    from headtohead.eval.metrics.fid import fid
    from headtohead.synthetic.scenes import FREE, Request

    stars = net(render(draw(53, index, request=Request((3, 3, 3), (FREE,) * 3), held_out=True))).double().numpy()
    assert fid(a, stars) > 5 * fid(a, b)


@torch.no_grad()
def test_the_language_model_knows_its_captions() -> None:
    model = shipped.language_model()

    def surprise(text: str) -> float:
        ids = small_llama.encode([text], 96)
        return float(model(input_ids=ids, labels=ids).loss)

    assert surprise("a photo of a red circle and a blue star") < 2.5  # free colours and shapes, and no training caption
    assert surprise("a photo of a red circle and a blue star") < 0.5 * surprise("star blue a and circle red photo a of")


def test_any_text_can_be_encoded() -> None:
    ids = small_llama.encode(["Ein Zebra, naïvely 漢字!", "a star"], 96)
    assert ids[:, 0].tolist() == [small_llama.BOS] * 2
    assert (ids == small_llama.EOS).sum(1).tolist() == [1, 1]
    assert small_llama.load().decode(ids[0].tolist()).strip() == "Ein Zebra, naïvely 漢字!"
    assert small_llama.encode(["star " * 500], 96).shape == (1, 96)
