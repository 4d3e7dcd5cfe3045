"""The CLIP: the shorter way through open_clip's text tower is the same way; its training data says what it should."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from headtohead.pretrained.making import train_clip as training
from headtohead.pretrained.making.recipes import RECIPES
from headtohead.pretrained.networks import image_encoders, small_llama
from headtohead.synthetic.dataset import pictures_of_step
from headtohead.synthetic.scenes import draw
from headtohead.utils import random


def coca() -> image_encoders.CoCa:
    torch.manual_seed(0)
    return image_encoders.build(RECIPES["clip"].config).eval()


@torch.no_grad()
def test_reading_without_padding_equals_open_clips_own_forward() -> None:
    model = coca()
    ids = small_llama.encode(["a photo of a red circle", "three stars"], 96)
    padded = F.pad(ids, (0, model.context_length - ids.shape[1]), value=small_llama.PAD)
    pooled, tokens = model.text(padded)
    own_pooled, own_tokens = image_encoders.read(model, ids)
    assert torch.allclose(own_pooled, pooled, atol=1e-5)
    assert torch.allclose(own_tokens, tokens[:, : ids.shape[1]], atol=1e-5)


@torch.no_grad()
def test_tokens_are_the_last_blocks_without_norm_and_class_token() -> None:
    tower = image_encoders.ClipTower(coca())
    kept = []
    handle = tower.model.visual.transformer.resblocks[-1].register_forward_hook(lambda m, i, out: kept.append(out))
    tokens = tower.raw_tokens(pictures_of_step(0, 0, 3))
    handle.remove()
    assert torch.equal(tokens, kept[0][:, 1:])


def test_exchanged_attributes_change_what_is_told() -> None:
    scenes = draw(3, np.arange(400))
    other, differs = training.swapped(scenes, random.uniform(random.keys(3, np.arange(400), 1), 4))
    changed = (other.shape != scenes.shape).any(1) | (other.colour != scenes.colour).any(1)
    assert (changed | ~differs).all()
    for row in np.flatnonzero(scenes.count > 1):  # the same shapes and the same colours, in other company
        n = scenes.count[row]
        assert sorted(other.shape[row, :n]) == sorted(scenes.shape[row, :n])
        assert sorted(other.colour[row, :n]) == sorted(scenes.colour[row, :n])


def test_phrases_do_not_depend_on_order_or_opening() -> None:
    assert training.phrases("a photo of a star and a moon") == training.phrases("a moon and a star")
    assert training.phrases("a red star, a blue moon and a ring") != training.phrases(
        "a blue star, a red moon and a ring"
    )
    assert training.phrases("a star left of a moon") != training.phrases("a moon left of a star")


def test_sorted_batches_hold_every_scene_of_their_pool_once() -> None:
    batch = 16
    parts = [training.sorted_scenes(1, step, batch) for step in range(training.POOL)]
    index = np.concatenate([index for _, index in parts])
    assert sorted(index) == list(range(training.POOL * batch))
    spread = [scenes.count.max() - scenes.count.min() for scenes, _ in parts]
    assert np.mean(spread) <= 1


def test_every_weight_learns_from_the_loss() -> None:
    torch.manual_seed(0)
    model = training.WithPixelHead(image_encoders.build(RECIPES["clip"].config))
    terms = training.captions_loss(model, 1, 5, 16, "cpu")
    assert set(terms) == {"loss", "contrast", "caption", "pictures"}
    terms["loss"].backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert not missing
