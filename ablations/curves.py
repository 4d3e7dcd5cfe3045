"""Records as curves: one table of every number, grouped by sweep, design and seed. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headtohead.design import DESIGNS
from headtohead.records import RecordError, Run, runs

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One metric of one design in one sweep, over seeds that share their steps."""

    sweep: str
    design: str
    representation: str
    metric: str
    seeds: tuple[int, ...]
    steps: NDArray[np.int64]  # (P,)
    flops: Numbers  # (P,)
    values: Numbers  # (seeds, P)
    relative: Numbers  # (seeds, P) as shares of the representation's ceiling; NaN where there is none
    n: NDArray[np.int64]  # (P,) pictures a point of one seed stands on

    @property
    def mean(self) -> Numbers:
        out: Numbers = self.values.mean(0)
        return out


def design_of(run: Run) -> str:
    """A run's folder is named after its design, what a grid varies, and its seed."""
    return re.sub(r"-s\d+$", "", run.name)


def order(design: str) -> tuple[int, str]:
    """Designs in the order of their declaration, variants of one beside each other."""
    name = design.split("+")[0]
    return (list(DESIGNS).index(name) if name in DESIGNS else len(DESIGNS)), design


def curves(found: list[Run]) -> list[Curve]:
    """Every metric of every design; a step counts when each of the design's seeds has reached it."""
    rows: dict[tuple[str, str, str], dict[int, dict[int, dict[str, Any]]]] = {}
    settings: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    for run in found:
        lines = run.curve()
        if not lines:
            continue
        own = {k: v for k, v in run.config.items() if k not in ("seed", "hash")}
        first, others = settings.setdefault((run.sweep, design_of(run)), (run.name, own))
        if own != others:
            raise RecordError(f"{run.folder}: its settings differ from {first}'s: seeds of one design must share them")
        for line in lines:
            key = (run.sweep, design_of(run), line["metric"])
            rows.setdefault(key, {}).setdefault(run.config.get("seed", 0), {})[line["step"]] = line
    out = []
    for (sweep, design, metric), seeds in rows.items():
        steps = sorted(set.intersection(*(set(s) for s in seeds.values())))
        if not steps:
            continue
        table = [[seeds[seed][step] for step in steps] for seed in sorted(seeds)]
        axes = settings[sweep, design][1].get("design", {})
        out.append(
            Curve(
                sweep,
                design,
                axes.get("representation", ""),
                metric,
                tuple(sorted(seeds)),
                np.array(steps),
                np.array([line["flops"] for line in table[0]], float),
                np.array([[line["value"] for line in row] for row in table], float),
                np.array([[line.get("relative") for line in row] for row in table], float),
                np.array([line["n"] for line in table[0]]),
            )
        )
    return sorted(out, key=lambda c: (c.sweep, order(c.design), c.metric))


def read(results: Path) -> tuple[list[Run], list[Curve]]:
    """Every run of a results folder and its curves; an error where there is nothing to show."""
    found = runs(results)
    drawn = curves(found)
    if not drawn:
        raise RecordError(f"{results}: its runs have no points yet")
    return found, drawn


def reached(curve: Curve, target: float) -> tuple[float, float] | None:
    """Steps and FLOPs at which the mean over seeds first reaches a target, between points on a straight line."""
    above = np.flatnonzero(curve.mean >= target)
    if not len(above):
        return None
    k = int(above[0])
    if k == 0:
        return float(curve.steps[0]), float(curve.flops[0])
    low, high = curve.mean[k - 1], curve.mean[k]
    share = (target - low) / (high - low)
    steps = curve.steps[k - 1] + share * (curve.steps[k] - curve.steps[k - 1])
    return float(steps), float(curve.flops[k - 1] + share * (curve.flops[k] - curve.flops[k - 1]))
