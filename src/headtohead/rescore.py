"""Kept weights scored again: another guidance, solver or number of steps, other prompts, another judge. No training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from headtohead.assemble import assemble
from headtohead.config import RunConfig, Sampling
from headtohead.kept import kept, restore
from headtohead.measure import Meter
from headtohead.records import RESCORED, Recorder, Run, Spent, numbers
from headtohead.world.prompts import Split


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
    """Score a run's last kept weights (or every kept ones) in each way that was not scored yet; the lines of all."""
    asked = replace(config, evaluation=replace(config.evaluation, split=split or config.evaluation.split))
    weights = kept(run.folder)
    steps = list(weights) if every else list(weights)[-1:]
    parts = assemble(asked, device)
    meter, recorder = Meter(asked, parts, device, judge), Recorder(run.folder)
    draws = parts.generator.generation.draws  # a head that does not ignores how; it is then no part of what was scored
    whom = {"judge": meter.judge.name, "split": asked.evaluation.split}
    labels = {_key(label): (how, label) for how in hows for label in [{**(asdict(how) if draws else {}), **whom}]}
    done = {(line["step"], _key(line["how"])) for line in run.lines(RESCORED)}
    ends = {line["step"]: line for line in run.curve()}
    for step in steps:
        restore(parts.generator, weights[step])
        for key, (how, label) in labels.items():
            if (step, key) in done:
                continue
            say(f"{run.sweep}/{run.name}: step {step:,}, " + ", ".join(f"{k} {v}" for k, v in label.items()))
            point = meter.scores(parts.generator, how, last=True)
            end = ends[step]
            at = Spent(step, end["samples"], end["flops"], end["seconds"], end.get("flops_total"))
            representation = asked.design.representation
            recorder.rescored(label, numbers(at, point.values, point.n, representation, meter.judge.name, "world"))
    return [line for line in run.lines(RESCORED) if line["step"] in steps and _key(line["how"]) in labels]


def _key(how: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(how.items()))
