"""Oracle means and token noise on codecs and prompts of which the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from headtohead.eval.benchmarks.base import BENCHMARKS, Item
from headtohead.eval.curve_points.prompts import PromptSet, prompt_set
from headtohead.eval.curve_points.score import judges
from headtohead.eval.foundations import ceilings
from headtohead.eval.judges.pixels import PixelJudge
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw


@dataclass
class Pixels:
    """A codec whose tokens are the pixels: nothing is lost on the way."""

    def encode(self, pictures: Tensor) -> Tensor:
        return pictures.flatten(1)[:, None]

    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        return tokens.reshape(-1, 3, 64, 64).clamp(0, 1)


@pytest.fixture(scope="module")
def single() -> PromptSet:
    """Four prompts for a single object, twice each: shape and nothing else."""
    whole = prompt_set("dev", pictures={"geneval": 24})
    items = [i for i in whole.items if i.task == "single_object"]
    doubled = [item for item in items for _ in range(2)]
    return PromptSet({"geneval": doubled}, whole.seed, whole.device)


def right(items: list[Item], pictures: Tensor, judge: PixelJudge) -> float:
    marks = BENCHMARKS["geneval"].judge(items, pictures, judges(judge))
    return float(np.mean([mark.score for mark in marks]))


def test_the_mean_is_a_picture_only_where_prompts_leave_nothing_free(
    single: PromptSet, pixel_judge: PixelJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = Pixels()
    free = ceilings.mean_tokens(single, {"pixels": codec}, renders=32)["pixels"]  # type: ignore[dict-item]
    one_scene = lambda seed, index, **how: draw(seed, np.zeros_like(index), **how)  # noqa: E731
    monkeypatch.setattr(ceilings, "draw", one_scene)
    pinned = ceilings.mean_tokens(single, {"pixels": codec}, renders=32)["pixels"]  # type: ignore[dict-item]
    assert right(single.items, codec.decode(free), pixel_judge) <= 0.25
    assert right(single.items, codec.decode(pinned), pixel_judge) == 1


def test_the_mean_is_the_best_regression_and_is_shared_by_pictures_of_one_prompt(single: PromptSet) -> None:
    codec = Pixels()
    means = ceilings.mean_tokens(single, {"pixels": codec}, renders=16)["pixels"]  # type: ignore[dict-item]
    assert len(means) == len(single.items)
    assert all(torch.equal(means[k], means[k + 1]) for k in range(0, len(means), 2))
    renders = codec.encode(render(draw(ceilings.MEANS, np.arange(16), request=single.items[0].request, held_out=True)))
    assert torch.allclose(means[0], renders.mean(0), atol=1e-6)
    error = (renders - means[0]).pow(2).mean()
    assert all(error < (renders - one).pow(2).mean() for one in renders)


@torch.no_grad()
def test_token_noise_costs_scores() -> None:
    """And none is the round trip."""
    scorer = ceilings.Scorer(pictures={"geneval": 12, "dpg": 4})
    of = ceilings.codecs(towers=())
    rows = ceilings.token_noise(scorer, of)["vae"]
    assert list(rows) == ["0", "0.1", "0.2", "0.4", "0.8"]
    assert rows["0"] == {k: v for k, v in ceilings.ceilings(scorer, of)["vae"].items() if k != "psnr"}
    assert rows["0.8"]["geneval/overall"] <= rows["0"]["geneval/overall"]
    tokens, noise = ceilings.encoded(of["vae"], scorer.test.pictures), torch.randn(16, *of["vae"].encode(
        scorer.test.pictures[:1]).shape[1:], generator=torch.Generator().manual_seed(0))  # fmt: skip
    near = [ceilings.psnr(of["vae"].decode(tokens + size * noise), scorer.test.pictures) for size in ceilings.NOISES]
    assert near == sorted(near, reverse=True)
    assert near[0] > near[-1] + 6
