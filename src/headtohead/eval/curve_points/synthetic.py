"""Evaluate a generator on the embedded dataset: the benchmarks' scores, FID, diversity, held-out loss, sample grids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torchvision.utils import make_grid

from headtohead.config.run_config import EvalConfig, RunConfig, Sampling
from headtohead.eval.benchmarks.base import BENCHMARKS
from headtohead.eval.curve_points import score
from headtohead.eval.curve_points.base import TRIED, Measured, held_out, losses
from headtohead.eval.curve_points.prompts import SEED, Exam, exam, shown, wanted
from headtohead.eval.curve_points.score import A_TASK, OFTEN, TIMES
from headtohead.eval.judges import pixels as judges
from headtohead.eval.metrics.fid import Reference
from headtohead.models.build import Parts
from headtohead.models.generator import Generator
from headtohead.models.sampling import paint
from headtohead.pretrained.loading import shipped
from headtohead.utils import distributed
from headtohead.utils.compute import autocast

NOISE, DECODER = 900_000, 910_000  # seeds of diversity's pictures


class SyntheticExaminer:
    """Measures points with the embedded dataset's prompts and judge; FID's reference is independent renders of them."""

    mode = "world"

    def __init__(self, config: RunConfig, parts: Parts, device: str, judge: Path | None = None) -> None:
        self.config, self.codec, self.device = config, parts.codec, device
        self.judge, self.net = judges.load(device, judge), shipped.feature_net(device)
        self._exams: dict[bool, tuple[Exam, Reference]] = {}
        self.held_out = held_out(config, parts, device)

    @property
    def name(self) -> str:
        return self.judge.name

    @property
    def about(self) -> dict[str, Any]:
        reference = self.exam(last=True)[1]
        sizes = {"renders": reference.n, "dimensions": len(reference.mean)}
        return {"fid": sizes, "shown": shown_prompts(self.config.evaluation)}

    def exam(self, last: bool) -> tuple[Exam, Reference]:
        """The prompts of the last point or of those before it, and features of independent renders of them."""
        if last not in self._exams:
            e = self.config.evaluation
            other = exam(e.split, SEED + 1, pictures=wanted(e, last), device=self.device)
            reference = Reference.of(score.features_of(other.pictures, self.net))
            self._exams[last] = exam(e.split, pictures=wanted(e, last), device=self.device), reference
        return self._exams[last]

    def paint(
        self,
        generator: Generator,
        prompts: list[str],
        how: Sampling,
        seed: int = 0,
        decodings: tuple[int | None, ...] = (None,),
    ) -> Tensor:
        """Pictures (n, len(decodings), 3, H, W); noise is fixed within a run and differs between its seeds.

        seed       of the noise, beside the run's own
        decodings  seeds of the decoder's noise, None for its fixed one
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
        """The benchmarks' scores and FID alone."""
        test, reference = self.exam(last)
        pictures = self.paint(generator, test.texts, how)[:, 0]
        return score.score(test, pictures, self.judge, self.net, reference)

    def measure(self, generator: Generator, last: bool, step: int) -> Measured | None:
        how, e = self.config.sampling, self.config.evaluation
        test, reference = self.exam(last)
        items = score.several(test, e.diverse)
        pictures = self.paint(generator, test.texts, how)[:, 0]
        many = self.paint(generator, [item.prompt for item in items], how, NOISE, decodings=(None, DECODER))
        grids = self.grids(generator, how)
        losses = self.losses(generator)
        if not distributed.first():
            return None
        point = score.score(test, pictures, self.judge, self.net, reference)
        diverse = score.diversity(items, {"fixed": many[:, 0], "drawn": many[:, 1]}, self.judge, self.net)
        values = {**point.values, **diverse.values, **losses}
        n = {**point.n, **diverse.n, "loss": len(self.held_out.prompts)}
        return Measured(replace(point, values=values, n=n), test.asked, grids)

    def grids(self, generator: Generator, how: Sampling) -> dict[str, Tensor]:
        """One picture each of many prompts, and several pictures each of few."""
        texts = shown(self.config.evaluation.split, A_TASK)
        often = [texts[k] for k in OFTEN for _ in range(TIMES)]
        pictures = self.paint(generator, [*texts, *often], how)[:, 0]
        if not distributed.first():
            return {}
        one, more = pictures.split([len(texts), len(often)])
        return {"prompts": make_grid(one, nrow=len(texts) // 2, padding=0), "often": make_grid(more, TIMES, padding=0)}


def shown_prompts(config: EvalConfig) -> dict[str, list[str]]:
    """The prompts of the grids: row by row for one picture a prompt, a row a prompt for several."""
    texts = shown(config.split, A_TASK)
    return {"prompts": texts, "often": [texts[k] for k in OFTEN]}
