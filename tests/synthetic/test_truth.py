"""Of which scenes a caption is true: its own, those drawn for it, and not those that differ in what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headtohead.synthetic.captions.said import Facts, Said, Thing, said
from headtohead.synthetic.captions.truth import holds, request, true_of, unseen
from headtohead.synthetic.scenes import FREE, Scenes, draw
from headtohead.synthetic.splits import CAPTIONED
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES
from headtohead.utils.boxes import RELATIONS

CIRCLE, SQUARE, STAR = (SHAPES.index(name) for name in ("circle", "square", "star"))
RED, BLUE = COLOUR_NAMES.index("red"), COLOUR_NAMES.index("blue")
LEFT_OF, RIGHT_OF = RELATIONS.index("left of"), RELATIONS.index("right of")
UPPER, LOWER = 2, 3


@pytest.fixture(scope="module")
def scene() -> Scenes:
    """A small red circle on the left, above a large blue star and right of it another small red star."""
    one = draw(0, np.arange(1))
    one.count[0], one.background[0] = 3, 1
    one.shape[0, :3], one.colour[0, :3], one.size[0, :3] = (CIRCLE, STAR, STAR), (RED, BLUE, RED), (0, 1, 0)
    one.centre[0, :3], one.radius[0, :3] = ((14, 12), (14, 48), (52, 48)), (7, 10, 7)
    return one


def one(shape: int, j: int, **more: int) -> Thing:
    return Thing(shape, (j,), **more)


CIRCLE_THERE, STAR_THERE = one(CIRCLE, 0), one(STAR, 1)


@pytest.mark.parametrize(
    ("what", "true"),
    [
        (Said((CIRCLE_THERE,)), True),
        (Said((one(SQUARE, 0),)), False),
        (Said((one(CIRCLE, 0, colour=RED, size=0),)), True),
        (Said((one(CIRCLE, 0, colour=BLUE),)), False),
        (Said((one(CIRCLE, 0, size=1),)), False),
        (Said((one(STAR, 1), one(STAR, 2, colour=RED))), True),
        (Said((one(CIRCLE, 0), one(CIRCLE, 1))), False),  # two of which there is one
        (Said((one(STAR, 1, colour=RED), one(STAR, 2, colour=RED))), False),
        (Said((Thing(STAR, (1, 2)),)), True),
        (Said((Thing(STAR, (1, 2), colour=RED),)), False),
        (Said((Thing(STAR, (0, 1, 2)),)), False),
        (Said((STAR_THERE,), number=3), True),
        (Said((STAR_THERE,), number=2), False),
        (Said((STAR_THERE,), background=1), True),
        (Said((STAR_THERE,), background=2), False),
        (Said((CIRCLE_THERE,), place=(0, UPPER)), True),
        (Said((CIRCLE_THERE,), place=(0, LOWER)), False),
        (Said((one(STAR, 1, colour=RED),), place=(0, 0)), False),  # a star is there, but not the red one
        (Said((CIRCLE_THERE, one(STAR, 2, colour=RED)), relation=(0, LEFT_OF, 1)), True),
        (Said((CIRCLE_THERE, one(STAR, 2, colour=RED)), relation=(0, RIGHT_OF, 1)), False),
        (Said((CIRCLE_THERE, one(STAR, 1, colour=BLUE)), relation=(0, LEFT_OF, 1)), False),
    ],
)
def test_what_is_true_of_a_scene(scene: Scenes, what: Said, true: bool) -> None:
    assert holds(what, Facts.of(scene), 0) == true


def test_captions_are_true_of_their_scenes_and_seldom_of_others() -> None:
    index = np.arange(400)
    scenes = draw(4, index)
    true = true_of(said(scenes, 4, index), Facts.of(scenes))
    assert true.diagonal().all()
    assert true.mean() < 0.05


def test_scenes_drawn_for_a_caption_fulfil_it_and_leave_free_what_it_does_not_say() -> None:
    index = np.arange(250)
    numbers, colours = set[int](), set[int]()
    for k, what in enumerate(said(draw(5, index), 5, index)):
        scenes = draw(6, 8 * k + np.arange(8), request=request(what), held_out=True)
        assert all(holds(what, Facts.of(scenes), row) for row in range(8)), what
        if what.number == FREE and all(t.single for t in what.things):
            numbers |= {int(n) - len(what.things) for n in scenes.count}
        if what.things[0].colour == FREE:
            colours |= set(scenes.colour[:, 0].tolist())
    assert {0, 1, 2} <= numbers  # more than are named
    assert colours == set(range(len(COLOUR_NAMES)))


def test_unseen_is_what_is_named_not_what_is_there() -> None:
    shape, colour = np.argwhere(CAPTIONED.colours)[0].tolist()
    assert unseen(Said((one(shape, 0, colour=colour),)), CAPTIONED)
    assert not unseen(Said((one(shape, 0),)), CAPTIONED)
    a, b = np.argwhere(CAPTIONED.pairs)[0].tolist()
    assert unseen(Said((one(a, 0), one(b, 1))), CAPTIONED)
    shape, number = np.argwhere(CAPTIONED.counts)[0].tolist()
    group = Said((Thing(shape, tuple(range(number))),))
    assert unseen(group, CAPTIONED)
    assert not unseen(replace(group, things=(one(shape, 0),)), CAPTIONED)
    free = CAPTIONED.relations & ~CAPTIONED.pairs[:, None]
    a, r, b = np.argwhere(free)[0].tolist()
    assert unseen(Said((one(a, 0), one(b, 1)), relation=(0, r, 1)), CAPTIONED)
    assert not unseen(Said((one(a, 0), one(b, 1))), CAPTIONED)
