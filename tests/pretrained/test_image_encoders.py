"""The CLIP: the shorter way through open_clip's text tower is the same way; its training data says what it should."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from headtohead.pretrained.making import train_clip as training
from headtohead.pretrained.making.recipes import RECIPES
from headtohead.pretrained.networks import image_encoders, small_llama
from headtohead.synthetic.captions.said import said
from headtohead.synthetic.dataset import pictures_of_step
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.synthetic.splits import CAPTIONED
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES
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


def test_exchanged_attributes_belong_to_the_same_scene() -> None:
    scenes = draw(3, np.arange(400))
    other = training.swapped(scenes, random.uniform(random.keys(3, np.arange(400), 1), 4))
    for row in np.flatnonzero(scenes.count > 1):  # the same shapes and the same colours, in other company
        n = scenes.count[row]
        assert sorted(other.shape[row, :n]) == sorted(scenes.shape[row, :n])
        assert sorted(other.colour[row, :n]) == sorted(scenes.colour[row, :n])
    single = scenes.count == 1
    assert ((other.shape != scenes.shape) | (other.colour != scenes.colour))[single, 0].all()


def test_hard_negatives_are_false_of_their_pictures_and_name_nothing_that_is_held_out() -> None:
    index = np.arange(600)
    scenes = draw(3, index)
    texts, found = training.hard_negatives(scenes, 3, index)
    assert 0.5 < found.mean() < 0.95
    words = [text.split() for text in texts]
    held = {f"{COLOUR_NAMES[c]} {SHAPES[s]}" for s, c in np.argwhere(CAPTIONED.colours)}
    for row in np.flatnonzero(found):
        pairs = {f"{a} {b}" for a, b in pairwise(words[row])}
        assert not pairs & held, texts[row]
        if scenes.count[row] == 1:  # another shape, or its own in another colour
            shape, colour = SHAPES[scenes.shape[row, 0]], COLOUR_NAMES[scenes.colour[row, 0]]
            assert shape not in words[row] or words[row][words[row].index(shape) - 1] in {*COLOUR_NAMES} - {colour}


def test_a_caption_that_is_true_of_another_picture_is_no_negative() -> None:
    index = np.arange(60)
    scenes = draw(3, index)
    whats = said(scenes, 3, index)
    true = training.others_true(scenes, whats)
    assert not true.diagonal().any()
    twice = Scenes.cat([scenes[:4], scenes[:4]])
    assert training.others_true(twice, whats[:4] * 2)[:4, 4:].diagonal().all()
    assert 0 < true.float().mean() < 0.1


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
