"""The renderer: what is drawn is where, as large, and of the colour that the scene says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headtohead.synthetic.render import backdrop, coverage, render
from headtohead.synthetic.scenes import FREE, Request, draw
from headtohead.synthetic.vocabulary import SHAPES

# The area of each outline in units of its radius squared, from geometry.
AREAS = {
    "circle": np.pi,
    "square": 4.0,
    "triangle": 2 * 1.8 / 2,
    "cross": 4 * (2 * 0.34 - 0.34**2),
    "ring": np.pi * 0.7696,
}


@pytest.mark.parametrize("name", AREAS)
def test_areas_agree_with_geometry(name: str) -> None:
    scenes = draw(0, np.arange(40), request=Request((SHAPES.index(name),), (FREE,)), held_out=True)
    area = coverage(scenes)[:, 0].sum((1, 2)).numpy() / scenes.radius[:, 0] ** 2
    assert np.allclose(area, AREAS[name], rtol=0.03)


def test_every_outline_fills_its_box() -> None:
    scenes = draw(1, np.arange(300))
    cover, boxes = coverage(scenes) > 0.5, scenes.boxes
    for row in range(len(scenes)):
        for j in range(scenes.count[row]):
            y, x = torch.nonzero(cover[row, j], as_tuple=True)
            drawn = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], float)
            assert np.abs(drawn - boxes[row, j]).max() < 2.2  # thin tips lose their last pixels


def test_colours_are_the_objects_own_and_edges_are_soft() -> None:
    scenes = draw(2, np.arange(64))
    picture, cover = render(scenes), coverage(scenes)
    assert picture.min() >= 0
    assert picture.max() <= 1
    for row in range(len(scenes)):
        heart = cover[row, 0] == 1
        want = torch.as_tensor(scenes.rgb[row, 0], dtype=torch.float32)
        assert (picture[row][:, heart] - want[:, None]).abs().max() < 1e-6
        assert ((cover[row, 0] > 0.05) & (cover[row, 0] < 0.95)).any()


def test_nothing_is_drawn_outside_the_objects() -> None:
    scenes = draw(3, np.arange(32))
    free = coverage(scenes).amax(1) == 0
    difference = (render(scenes) - backdrop(scenes).clamp(0, 1)).abs().amax(1)
    assert difference[free].max() == 0


def test_a_picture_does_not_depend_on_its_batch() -> None:
    scenes = draw(4, np.arange(20))
    assert torch.equal(render(scenes)[7:9], render(scenes[7:9]))
