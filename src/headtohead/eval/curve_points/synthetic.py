"""Evaluate a generator on the embedded dataset: the benchmarks' scores, FID, diversity, held-out loss, sample grids."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor
from torchvision.utils import make_grid

from headtohead.config.run_config import EvalConfig, RunConfig, Sampling
from headtohead.eval.benchmarks.base import BENCHMARKS
from headtohead.eval.curve_points import score
from headtohead.eval.curve_points.base import TRIED, Measured
from headtohead.eval.curve_points.held_out_loss import held_out, losses
from headtohead.eval.curve_points.prompts import SEED, PromptSet, prompt_set, shown, wanted
from headtohead.eval.curve_points.real_pictures import FIRST, RealPictures
from headtohead.eval.curve_points.score import A_TASK, OFTEN, TIMES
from headtohead.eval.judges import pixels as judges
from headtohead.models.build import Parts
from headtohead.models.generator import Generator
from headtohead.models.sampling import paint
from headtohead.pretrained.loading import shipped
from headtohead.synthetic.prompts.short_prompts import Split
from headtohead.utils import distributed
from headtohead.utils.compute import autocast

NOISE, DECODER = 900_000, 910_000  # seeds of noise for diversity
Numbers = tuple[tuple[str, int], ...]  # of prompts by the name of a benchmark


class SyntheticEvaluator:
    """Measures points with the embedded dataset's prompts and judge; sets compare with independent renders of them."""

    mode = "world"

    def __init__(self, config: RunConfig, parts: Parts, device: str, judge: Path | None = None) -> None:
        self.config, self.codec, self.device = config, parts.codec, device
        self.judge, self.net = judges.load(device, judge), shipped.feature_net(device)
        self.held_out = held_out(config, parts, device)

    @property
    def name(self) -> str:
        return self.judge.name

    @property
    def about(self) -> dict[str, Any]:
        real = self.prompts(last=True)[1]
        number, dimensions = real.by_space[FIRST].real.shape
        return {"fid": {"renders": number, "dimensions": dimensions}, "shown": shown_prompts(self.config.evaluation)}

    def prompts(self, last: bool) -> tuple[PromptSet, RealPictures]:
        """The prompts of a point, and true pictures of those whose pictures are compared as a set.

        last  whether it is the last point, which may have more prompts
        """
        e = self.config.evaluation
        numbers = (tuple(wanted(e, which).items()) for which in (last, False))
        return _prompts(e.split, *numbers, self.device)

    def paint(
        self,
        generator: Generator,
        prompts: list[str],
        how: Sampling,
        seed: int = 0,
        decodings: tuple[int | None, ...] = (None,),
    ) -> Tensor:
        """Images (n, len(decodings), 3, H, W); noise is fixed within a run and differs between seeds of runs.

        generator  to sample from
        prompts    n texts
        how        sampling settings
        seed       of the noise, added to the run's
        decodings  seeds of the decoder's noise; None for its fixed noise
        """
        own, batch = seed + 1_000 * self.config.seed, self.config.evaluation.batch
        with autocast(self.config.compute.precision, self.device):
            return paint(generator, self.codec, prompts, how, seed=own, batch=batch, decodings=decodings)

    def trial(self, generator: Generator) -> None:
        items = next(iter(BENCHMARKS.values())).synthetic(self.config.evaluation.split, TRIED)
        prompts = [item.prompt for item in items]
        self.judge.detect(self.paint(generator, prompts, self.config.sampling)[:, 0])

    def losses(self, generator: Generator) -> dict[str, float]:
        return losses(self.config, generator, self.held_out, self.device)

    def scores(self, generator: Generator, how: Sampling, last: bool) -> score.Point:
        """The benchmarks' scores, and those of the images as a set, without diversity and loss.

        generator  to sample from
        how        sampling settings
        last       whether to use the prompts of the last point
        """
        test, real = self.prompts(last)
        pictures = self.paint(generator, test.texts, how)[:, 0]
        return score.score(test, pictures, self.judge, real)

    def measure(self, generator: Generator, last: bool, step: int) -> Measured | None:
        how, e = self.config.sampling, self.config.evaluation
        test, real = self.prompts(last)
        items = score.several(test, e.diverse)
        pictures = self.paint(generator, test.texts, how)[:, 0]
        many = self.paint(generator, [item.prompt for item in items], how, NOISE, decodings=(None, DECODER))
        grids = self.grids(generator, how)
        losses = self.losses(generator)
        if not distributed.first():
            return None
        point = score.score(test, pictures, self.judge, real)
        diverse = score.diversity(items, {"fixed": many[:, 0], "drawn": many[:, 1]}, self.judge, self.net)
        values = {**point.values, **diverse.values, **losses}
        n = {**point.n, **diverse.n, **self.held_out.n}
        return Measured(replace(point, values=values, n=n), test.rows, grids)

    def grids(self, generator: Generator, how: Sampling) -> dict[str, Tensor]:
        """Sample grids: one image of each of many prompts, and several images of each of a few.

        generator  to sample from
        how        sampling settings
        """
        texts = shown(self.config.evaluation.split, A_TASK)
        often = [texts[k] for k in OFTEN for _ in range(TIMES)]
        pictures = self.paint(generator, [*texts, *often], how)[:, 0]
        if not distributed.first():
            return {}
        one, more = pictures.split([len(texts), len(often)])
        return {"prompts": make_grid(one, nrow=len(texts) // 2, padding=0), "often": make_grid(more, TIMES, padding=0)}


@cache
def _prompts(split: Split, pictures: Numbers, among: Numbers, device: str) -> tuple[PromptSet, RealPictures]:
    """The prompts of a split, so many by the name of a benchmark, and true pictures of so many among them."""
    test, other = (
        prompt_set(split, seed, pictures=dict(pictures), among=dict(among), device=device) for seed in (SEED, SEED + 1)
    )
    return test, RealPictures.of(test, other, device)


def shown_prompts(config: EvalConfig) -> dict[str, list[str]]:
    """The prompts of the grids: one per image, row by row, and one per row of several images."""
    texts = shown(config.split, A_TASK)
    return {"prompts": texts, "often": [texts[k] for k in OFTEN]}
