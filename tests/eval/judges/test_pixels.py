"""The judge: right on sharp pictures, usable on spoiled ones, less sure there, and silent where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import gaussian_blur

from headtohead.eval.judges.pixels import PixelJudge
from headtohead.synthetic.render import backdrop, render
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES
from headtohead.utils.boxes import Detection


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return draw(77, np.arange(300), held_out=True)


def right(scenes: Scenes, found: list[list[Detection]]) -> float:
    """Share of scenes of which exactly the right shapes and colours were found."""
    hits = []
    for row, seen in enumerate(found):
        n = scenes.count[row]
        there = sorted(
            (SHAPES[s], COLOUR_NAMES[c]) for s, c in zip(scenes.shape[row, :n], scenes.colour[row, :n], strict=True)
        )
        hits.append(sorted((d.name, d.colour) for d in seen) == there)
    return float(np.mean(hits))


def test_sharp_pictures(scenes: Scenes, pixel_judge: PixelJudge) -> None:
    found = pixel_judge.detect(render(scenes))
    assert right(scenes, found) > 0.99
    # Counting asks for a confidence above 0.9.
    assert np.mean([d.score > 0.9 for seen in found for d in seen]) > 0.99


def test_boxes_and_masks_fit(scenes: Scenes, pixel_judge: PixelJudge) -> None:
    off = []
    for row, seen in enumerate(pixel_judge.detect(render(scenes[:80]))):
        boxes = scenes.boxes[row, : scenes.count[row]]
        for d in seen:
            off.append(np.abs(boxes - np.array(d.box)).max(1).min())
            y, x = np.nonzero(d.mask)
            assert d.box == (x.min(), y.min(), x.max() + 1, y.max() + 1)
    assert np.median(off) < 1.0
    assert np.quantile(off, 0.95) < 2.5


def test_blur_and_noise_are_borne_and_lower_the_confidence(scenes: Scenes, pixel_judge: PixelJudge) -> None:
    sharp, noise = render(scenes), torch.Generator().manual_seed(0)
    sure = []
    for sigma, least in ((0.0, 0.99), (1.0, 0.98), (2.0, 0.85), (3.0, 0.0)):
        pictures = gaussian_blur(sharp, [13, 13], sigma) if sigma else sharp
        found = pixel_judge.detect(pictures)
        assert right(scenes, found) >= least
        sure.append(np.mean([d.score for seen in found for d in seen]))
    assert sure == sorted(sure, reverse=True)
    assert sure[-1] < 0.9
    grainy = (sharp + 0.08 * torch.randn(sharp.shape, generator=noise)).clamp(0, 1)
    assert right(scenes, pixel_judge.detect(grainy)) > 0.95


def test_a_fading_object_loses_confidence_and_then_is_gone(pixel_judge: PixelJudge) -> None:
    scenes = draw(78, np.arange(60))
    full, empty = render(scenes), backdrop(scenes).clamp(0, 1)
    number = [
        sum(d.score > 0.9 for seen in pixel_judge.detect(torch.lerp(full, empty, share)) for d in seen)
        for share in (0.0, 0.5, 0.95)
    ]
    assert number[0] == scenes.count.sum()
    assert number[0] >= number[1] > number[2]


def test_nothing_is_seen_where_nothing_is(scenes: Scenes, pixel_judge: PixelJudge) -> None:
    for pictures in (backdrop(scenes[:100]).clamp(0, 1), torch.zeros(4, 3, 64, 64), torch.ones(4, 3, 64, 64)):
        assert sum(d.score > 0.3 for seen in pixel_judge.detect(pictures) for d in seen) <= 1


def test_a_verdict_does_not_depend_on_the_batch(scenes: Scenes, pixel_judge: PixelJudge) -> None:
    pictures = render(scenes[:20])
    alone, together = pixel_judge.detect(pictures[4:5])[0], pixel_judge.detect(pictures)[4]
    assert [(d.name, d.colour, d.box) for d in alone] == [(d.name, d.colour, d.box) for d in together]


def test_questions_are_answered_from_pixels(pixel_judge: PixelJudge) -> None:
    scenes = draw(79, np.arange(1))
    shape, colour = SHAPES[scenes.shape[0, 0]], COLOUR_NAMES[scenes.colour[0, 0]]
    asked = [f"Is there a {shape}?", f"Is the {shape} {colour}?", "Are there zero shapes in all?"]
    assert pixel_judge.answers(render(scenes), [asked]) == [["yes", "yes", "no"]]
    with pytest.raises(ValueError, match="cannot answer the question"):
        pixel_judge.answers(render(scenes), [["What is this?"]])
