"""Score kept weights again with other sampling settings, other prompts or another judge; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headtohead.config.run_config import RunConfig, Sampling
from headtohead.eval.curve_points.synthetic import SyntheticExaminer
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
    """Score a run's kept weights in every way that is not on record yet; the recorded lines of all ways.

    hows   sampling settings
    split  of the prompts, the run's own when None
    judge  a file of the embedded judge's weights, the shipped ones when None
    every  whether all kept weights are scored, not the last alone
    """
    asked = replace(config, evaluation=replace(config.evaluation, split=split or config.evaluation.split))
    weights = kept(run.folder)
    steps = list(weights) if every else list(weights)[-1:]
    parts = assemble(asked, device)
    examiner, recorder = SyntheticExaminer(asked, parts, device, judge), Recorder(run.folder)
    draws = parts.generator.objective.stochastic  # a deterministic objective ignores `how`: it is no part of the label
    whom = {"judge": examiner.judge.name, "split": asked.evaluation.split}
    labels = {_key(label): (how, label) for how in hows for label in [{**(asdict(how) if draws else {}), **whom}]}
    done = {(line["step"], _key(line["how"])) for line in run.lines(RESCORED)}
    ends = {line["step"]: line for line in run.curve()}
    for step in steps:
        restore(parts.generator, weights[step])
        for key, (how, label) in labels.items():
            if (step, key) in done:
                continue
            say(f"{run.sweep}/{run.name}: step {step:,}, " + ", ".join(f"{k} {v}" for k, v in label.items()))
            point = examiner.scores(parts.generator, how, last=True)
            end = ends[step]
            at = Spent(step, end["samples"], end["flops"], end["seconds"], end.get("flops_total"))
            representation = asked.design.representation
            recorder.rescored(label, numbers(at, point.values, point.n, representation, examiner.judge.name, "world"))
    return [line for line in run.lines(RESCORED) if line["step"] in steps and _key(line["how"]) in labels]


def _key(how: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(how.items()))


def painted(
    run: Path, config: RunConfig, prompts: Sequence[str], how: Sampling, *, times: int, seed: int, device: str
) -> list[NDArray[np.uint8]]:
    """Pictures (H, W, 3) of prompts by the last weights that a run has kept.

    how    sampling settings
    times  pictures of each prompt, behind one another
    seed   of the noise, which depends on a picture's place alone: designs of one representation share it
    """
    parts = assemble(config, device)
    restore(parts.generator, list(kept(run).values())[-1])
    asked = [prompt for prompt in prompts for _ in range(times)]
    with autocast(config.compute.precision, device):
        pictures = paint(parts.generator, parts.codec, asked, how, seed=seed, batch=config.evaluation.batch)[:, 0]
    return list((pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
