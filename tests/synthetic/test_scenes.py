"""Scenes: a pure function of seed and index, without overlaps, true to requests, free of what is held out."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from headtohead.synthetic import splits
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import COUNT_WEIGHTS, FREE, GAP, Request, Scenes, draw
from headtohead.synthetic.vocabulary import COLOUR_NAMES, HALF_MARGIN, HALVES, MAX_OBJECTS, PICTURE_SIDE, SHAPES
from headtohead.utils.boxes import RELATIONS
from headtohead.utils.files import fingerprint


def same(a: Scenes, b: Scenes) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Scenes))


def test_a_scene_depends_on_its_index_alone() -> None:
    index = np.arange(200)
    whole, shuffled = draw(3, index), np.random.default_rng(0).permutation(index)
    assert same(draw(3, shuffled), whole[shuffled])
    assert same(Scenes.cat([draw(3, index[:7]), draw(3, index[7:])]), whole)
    assert not same(draw(4, index), whole)


def test_objects_keep_apart_and_inside_the_picture() -> None:
    scenes = draw(0, np.arange(2000))
    assert (scenes.boxes[scenes.present] >= 0).all()
    assert (scenes.boxes[scenes.present] <= PICTURE_SIDE).all()
    for row in range(len(scenes)):
        for a in range(scenes.count[row]):
            for b in range(a):
                apart = np.abs(scenes.centre[row, a] - scenes.centre[row, b]).max()
                assert apart >= scenes.radius[row, a] + scenes.radius[row, b] + GAP - 1e-9


def test_the_numbers_of_objects_are_as_declared_in_spite_of_retries() -> None:
    scenes = draw(1, np.arange(6000))
    assert np.allclose(np.bincount(scenes.count, minlength=MAX_OBJECTS + 1) / 6000, COUNT_WEIGHTS, atol=0.02)


def test_every_shape_and_colour_still_occurs() -> None:
    scenes = draw(2, np.arange(4000))
    pairs = {(int(s), int(c)) for s, c in zip(scenes.shape[scenes.present], scenes.colour[scenes.present], strict=True)}
    held = {(s, c) for s, c in np.argwhere(splits.CAPTIONED.colours).tolist()}
    assert len(pairs) == len(SHAPES) * len(COLOUR_NAMES) - len(held)
    assert not pairs & held


@pytest.mark.parametrize("held", [splits.CAPTIONED, splits.PICTURES])
def test_training_scenes_show_nothing_that_is_held_out(held: splits.HeldOut) -> None:
    """Worked out by hand from the tables, not by the function that the sampler uses."""
    scenes = draw(5, np.arange(3000), held=held)
    for row in range(len(scenes)):
        shapes = scenes.shape[row, : scenes.count[row]].tolist()
        centres, radius = scenes.centre[row], scenes.radius[row]
        for a, s in enumerate(shapes):
            assert not held.counts[s, shapes.count(s)]
            for b, t in enumerate(shapes):
                if a == b:
                    continue
                assert not held.pairs[s, t]
                dx, dy = centres[a] - centres[b]
                clear = 1.5 * (radius[a] + radius[b])
                # A relation beyond doubt: far along one axis and hardly off it.
                for name, along, off in (("left of", -dx, dy), ("above", -dy, dx)):
                    if along > clear and abs(off) < along / 4:
                        assert not held.relations[s, RELATIONS.index(name), t]


@pytest.mark.parametrize("relation", range(4))
def test_requests_are_fulfilled(relation: int) -> None:
    request = Request((0, 3), (FREE, 5), (1, FREE), background=2, relations=((0, relation, 1),))
    scenes = draw(9, np.arange(64), request=request, held_out=True)
    assert (scenes.count == 2).all()
    assert (scenes.shape[:, :2] == (0, 3)).all()
    assert (scenes.colour[:, 1] == 5).all()
    assert len(set(scenes.colour[:, 0].tolist())) > 3
    assert (scenes.size[:, 0] == 1).all()
    assert (scenes.background == 2).all()
    offset = (scenes.centre[:, 0] - scenes.centre[:, 1])[:, relation // 2]
    assert (offset < 0).all() if relation % 2 == 0 else (offset > 0).all()


@pytest.mark.parametrize("half", range(len(HALVES)))
def test_a_place_is_kept(half: int) -> None:
    scenes = draw(9, np.arange(50), request=Request((0, 2), (FREE, FREE), place=(FREE, half)))
    away = scenes.centre[:, :2, half // 2] - PICTURE_SIDE / 2
    assert ((away[:, 1] if half % 2 else -away[:, 1]) >= HALF_MARGIN - 1e-9).all()
    assert (away[:, 0] > 0).any()
    assert (away[:, 0] < 0).any()


def test_a_request_may_leave_the_number_of_objects_open() -> None:
    scenes = draw(9, np.arange(600), request=Request((0,), (FREE,), number=(0, 0.5, 0, 0.5, 0)), held_out=True)
    assert (scenes.shape[:, 0] == 0).all()
    assert np.allclose(np.bincount(scenes.count, minlength=MAX_OBJECTS + 1) / 600, (0, 0.5, 0, 0.5, 0), atol=0.06)
    assert len(set(scenes.shape[scenes.count == 3, 1].tolist())) == len(SHAPES)


def test_training_shows_up_to_three_different_shapes_and_every_number_of_objects() -> None:
    scenes = draw(7, np.arange(4000))
    different = np.array([len(set(row[:n])) for row, n in zip(scenes.shape.tolist(), scenes.count, strict=True)])
    assert set(different) == {1, 2, 3}
    assert all((different[scenes.count == n] > 1).mean() > 0.5 for n in range(2, MAX_OBJECTS + 1))
    assert (np.bincount(scenes.shape[scenes.present]) / scenes.present.sum() > 0.08).all()


# Hashes of the pictures that the shipped models without captions were trained on, by the seed of their stream, as the
# code drew them that trained them. If one differs, these models are out of date, whatever their cards say.
TRAINED_ON = {
    11: "2c1abf48b0f5d000",
    17: "7e05db3889155156",
    18: "1cb1970a3bf6eddd",
    23: "73c787bffb3d904d",
    31: "c0ecafbb0939d28e",
    13: "1666d743d107475c",
}


@pytest.mark.parametrize("seed", TRAINED_ON)
def test_pictures_alone_are_what_the_shipped_models_were_trained_on(seed: int) -> None:
    judge = seed == 13  # which sees every combination
    scenes = draw(seed, np.arange(48), held_out=judge, held=splits.PICTURES)
    small = render(scenes).unflatten(-1, (8, 8)).unflatten(2, (8, 8)).mean((3, 5)).numpy().round(2)
    assert fingerprint((small + 0.0).tolist()) == TRAINED_ON[seed]


def test_an_impossible_request_says_so() -> None:
    with pytest.raises(ValueError, match="no scene fulfils"):
        draw(0, np.arange(2), request=Request((0, 3), (FREE, FREE)))  # a held-out pair, asked of the training split
