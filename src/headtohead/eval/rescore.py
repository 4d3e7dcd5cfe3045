"""Score kept weights again with other sampling settings, other prompts or another judge; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headtohead.config.run_config import RunConfig, Sampling
from headtohead.eval.curve_points.synthetic import SyntheticEvaluator
from headtohead.models.build import assemble
from headtohead.models.sampling import paint
from headtohead.records.kept_weights import kept, restore
from headtohead.records.layout import RESCORED
from headtohead.records.read import Run
from headtohead.records.recorder import Recorder, Spent, numbers
from headtohead.synthetic.prompts.short_prompts import Split
from headtohead.utils.compute import autocast


def rescore(
    run: Run,
    config: RunConfig,
    hows: list[Sampling],
    *,
    device: str,
    split: Split | None = None,
    judge: Path | None = None,
    every: bool = False,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Score a run's kept weights with each setting that is not recorded yet; returns the recorded lines of all of them.

    run     whose weights are scored
    config  of the run
    hows    sampling settings
    device  cpu or cuda
    split   of the prompts; None for the run's own
    judge   file of the embedded judge's weights; None for the shipped ones
    every   score all kept weights, not only the last
    say     prints a line
    """
    other = replace(config, evaluation=replace(config.evaluation, split=split or config.evaluation.split))
    weights = kept(run.folder)
    steps = list(weights) if every else list(weights)[-1:]
    parts = assemble(other, device, run.folder)
    evaluator, recorder = SyntheticEvaluator(other, parts, device, judge), Recorder(run.folder)
    stochastic = parts.generator.objective.stochastic  # other objectives ignore sampling settings: no part of a label
    judged = {"judge": evaluator.judge.name, "split": other.evaluation.split}
    labels = {
        _key(label): (how, label) for how in hows for label in [{**(asdict(how) if stochastic else {}), **judged}]
    }
    done = {(line["step"], _key(line["how"])) for line in run.lines(RESCORED)}
    ends = {line["step"]: line for line in run.curve()}
    for step in steps:
        restore(parts.generator, weights[step])
        for key, (how, label) in labels.items():
            if (step, key) in done:
                continue
            say(f"{run.sweep}/{run.name}: step {step:,}, " + ", ".join(f"{k} {v}" for k, v in label.items()))
            point = evaluator.scores(parts.generator, how, last=True)
            end = ends[step]
            at = Spent(step, end["samples"], end["flops"], end["seconds"], end.get("flops_total"))
            representation = other.design.representation
            recorder.rescored(label, numbers(at, point.values, point.n, representation, evaluator.judge.name, "world"))
    return [line for line in run.lines(RESCORED) if line["step"] in steps and _key(line["how"]) in labels]


def _key(how: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(how.items()))


def painted(
    run: Path, config: RunConfig, prompts: Sequence[str], how: Sampling, *, times: int, seed: int, device: str
) -> list[NDArray[np.uint8]]:
    """Images (H, W, 3) of prompts by the last weights that a run has kept.

    run      folder of the run
    config   of the run
    prompts  texts
    how      sampling settings
    times    images of each prompt, one after another
    seed     of the noise, which depends on an image's position only: designs of one representation share it
    device   cpu or cuda
    """
    parts = assemble(config, device, run)
    restore(parts.generator, list(kept(run).values())[-1])
    repeated = [prompt for prompt in prompts for _ in range(times)]
    with autocast(config.compute.precision, device):
        pictures = paint(parts.generator, parts.codec, repeated, how, seed=seed, batch=config.evaluation.batch)[:, 0]
    return list((pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
