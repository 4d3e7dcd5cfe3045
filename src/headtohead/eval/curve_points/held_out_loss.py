"""The loss of a generator on samples that no run trains on, part by part (a flow's by time), and how much of it the
captions explain.

The *conditioning gain* is the loss with a wrong caption, or with none, minus the loss with the true one. A generator
whose gain is about zero has not learned to read its prompt, whatever its loss is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.config.run_config import WORLD, RunConfig
from headtohead.data import build
from headtohead.eval.metrics.base import Counted, doubles
from headtohead.models.build import Parts
from headtohead.models.generator import PICTURES, Generator
from headtohead.models.objectives.noise import PictureDraws
from headtohead.records.metrics import GAIN, GAIN_NONE, GAIN_SHARE
from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw
from headtohead.utils.compute import autocast
from headtohead.utils.tensor_shapes import Condition, Target

HELD_OUT = 102  # random stream of the scenes on which the loss is measured


@dataclass(frozen=True)
class HeldOut:
    """Samples that no run trains on.

    prompts  one a sample
    target   their pictures, as the objective's target
    """

    prompts: list[str]
    target: Target

    @property
    def n(self) -> dict[str, int]:
        """Number of samples, by what the names of the numbers begin with."""
        return dict.fromkeys(("loss", "gain"), len(self.prompts))


class HeldOutLoss(Counted):
    """Mean over samples of each part of a loss, from the means of batches.

    names  of the parts; a process that takes part without a batch of its own must be given them
    """

    higher_is_better = False

    def __init__(self, names: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = tuple(names)
        self.lists("losses", "samples")

    def update(self, losses: Mapping[str, float | Tensor], samples: int) -> None:
        """Take one batch.

        losses   mean over the batch of each part, by name; the same names at every update
        samples  in the batch
        """
        self.names = tuple(losses)
        self.append("losses", [float(value) for value in losses.values()])
        self.append("samples", [samples])

    def compute(self) -> dict[str, Tensor]:
        samples = self.joined("samples")
        losses = self.joined("losses").reshape(len(samples), len(self.names))
        return doubles(dict(zip(self.names, (samples / samples.sum()) @ losses, strict=True)))

    @property
    def total(self) -> int:
        """Samples so far."""
        return int(np.sum(self.joined("samples")))


def held_out(config: RunConfig, parts: Parts, device: str) -> HeldOut:
    """Samples held out from training: other scenes of the embedded dataset, or the held-out samples of the corpora.

    config  of the run
    parts   of the run
    device  of the target
    """
    if config.data.mix == WORLD:
        index = np.arange(config.evaluation.held_out)
        scenes = draw(HELD_OUT, index)
        return HeldOut(captions(scenes, HELD_OUT, index), parts.target(render(scenes, device)))
    prompts, x_1 = build.held_out(config, parts.codec)
    if x_1.dim() == PICTURES:
        batches = x_1.split(config.evaluation.batch)
        x_1 = torch.cat([parts.target(batch.to(device)).tokens for batch in batches])
    return HeldOut(prompts, parts.target(x_1.to(device)))


def shuffled(prompts: Sequence[str]) -> NDArray[np.int64] | None:
    """For each sample, the number of the sample whose caption it gets: a fixed random order in which no sample keeps
    the text of its caption. None where that is impossible, as more than half of the captions are the same.

    prompts  captions, one a sample
    """
    texts, text, count = np.unique(list(prompts), return_inverse=True, return_counts=True)
    half = len(prompts) // 2
    if count.max() > half:
        return None
    # Equal captions stand side by side in a random order of texts, so that half of the way round none meets its own.
    order = np.argsort(np.random.default_rng(HELD_OUT).permutation(len(texts))[text], kind="stable")
    out = np.empty_like(order)
    out[order] = np.roll(order, half)
    return out


def losses(config: RunConfig, generator: Generator, held_out: HeldOut, device: str) -> dict[str, float]:
    """The held-out loss by its parts and the conditioning gain, with the same noise at every point of a run.

    config     of the run
    generator  to be measured
    held_out   samples
    device     of the generator

    loss/<part>           with the sample's own caption
    gain/shuffled/<part>  with the caption of another sample, minus that; gain/shuffled is the mean over the parts
    gain/none/<part>      with the null condition, minus loss/<part>; gain/none is the mean over the parts
    gain/share            gain/shuffled over the loss with another caption, in the part nearest to pure noise

    The language model reads each caption once; noise and target are shared.
    """
    was_training = generator.training
    generator.eval()
    with torch.no_grad(), autocast(config.compute.precision, device):
        condition = generator.condition(held_out.prompts)
        true = _parts(generator, held_out, condition, device)
        keep = torch.zeros(len(held_out.prompts), device=condition.states.device)
        none = _parts(generator, held_out, condition.dropped(keep), device)
        other = shuffled(held_out.prompts)
        wrong = None if other is None else _parts(generator, held_out, condition.rows(other), device)
    generator.train(was_training)
    out = {f"loss/{part}": value for part, value in true.items()}
    for name, loss in ((GAIN, wrong), (GAIN_NONE, none)):
        if loss is not None:
            gains = {part: loss[part] - value for part, value in true.items()}
            out |= {name: float(np.mean([*gains.values()])), **{f"{name}/{part}": g for part, g in gains.items()}}
    if wrong is not None:
        first = next(iter(true))
        out[GAIN_SHARE] = 1 - true[first] / wrong[first] if wrong[first] else 0.0
    return out


def _parts(generator: Generator, held_out: HeldOut, condition: Condition, device: str) -> dict[str, float]:
    """The loss by part under a condition (B, Q, W), with noise that depends on the sample alone."""
    number, metric = len(held_out.prompts), HeldOutLoss(sync_on_compute=False)
    draws = PictureDraws(HELD_OUT, range(number), device)
    metric.update(generator.objective.held_out(held_out.target, condition, draws), number)
    return metric.values()
