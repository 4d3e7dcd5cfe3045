"""Records as curves: one table of every number, grouped by sweep, design and seed. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from headtohead.config.design import DESIGNS
from headtohead.records.json_files import RecordError
from headtohead.records.read import Run, runs

Numbers = NDArray[np.float64]
STEPS, SECONDS = "steps", "seconds"
FINISHED = "finished"
FLOPS, FLOPS_TOTAL = "flops", "flops_total"  # of head and language model; with encoders and decoder too
PREFIXES = {"G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}


class Terms(NamedTuple):
    """Who judged a number, how, and over how many pictures: numbers on other terms do not compare."""

    judge: str
    mode: str
    n: int


@dataclass(frozen=True)
class Curve:
    """One metric of one design in one sweep, over seeds that share their steps."""

    sweep: str
    design: str
    representation: str
    metric: str
    seeds: tuple[int, ...]
    steps: NDArray[np.int64]  # (P,)
    values: Numbers  # (seeds, P); NaN where a seed passed the step without this number, as diversity may
    relative: Numbers  # (seeds, P) as shares of the representation's ceiling; NaN where there is none
    n: NDArray[np.int64]  # (P,) pictures a point of one seed stands on
    spent: dict[str, Numbers]  # (seeds, P) by account: steps, seconds of training, and each account of FLOPs
    terms: tuple[tuple[Terms | None, ...], ...]  # (seeds, P)

    @property
    def mean(self) -> Numbers:
        out: Numbers = self.values.mean(0)
        return out

    @property
    def flops(self) -> Numbers:
        """A mean over seeds, which differ by some percent, as their captions differ in length."""
        out: Numbers = self.spent[FLOPS].mean(0)
        return out


class Named(Protocol):
    @property
    def name(self) -> str: ...


def design_of(run: Named) -> str:
    """A run's folder is named after its design, what a grid varies, and its seed."""
    return re.sub(r"-s\d+$", "", run.name)


def by_design(found: Iterable[Run]) -> dict[tuple[str, str], list[Run]]:
    """Runs by sweep and design."""
    out: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        out.setdefault((run.sweep, design_of(run)), []).append(run)
    return out


def counted(own: Sequence[Run]) -> list[Run]:
    """The seeds that stand for a design: the finished ones, which alone have a final score, or all while none is."""
    return [run for run in own if run.state["state"] == FINISHED] or list(own)


def order(design: str) -> tuple[int, str]:
    """Designs in the order of their declaration, variants of one beside each other."""
    name = design.split("+")[0]
    return (list(DESIGNS).index(name) if name in DESIGNS else len(DESIGNS)), design


class _Point(NamedTuple):
    """What a line says, without its keys: reports hold hundreds of thousands of lines at once."""

    value: float
    relative: float | None
    terms: Terms | None  # of the judge; none where the record has no such line


_NOTHING = _Point(np.nan, None, None)

_ACCOUNTS = {STEPS: "step", FLOPS: "flops", FLOPS_TOTAL: "flops_total", SECONDS: "seconds"}
_Costs = tuple[float | None, ...]  # of a step, in the order of _ACCOUNTS


def curves(found: list[Run]) -> list[Curve]:
    """Every metric of every design; a step counts when each of the design's seeds that count has reached it."""
    rows: dict[tuple[str, str, str], dict[int, dict[int, _Point]]] = {}
    passed: dict[tuple[str, str], dict[int, dict[int, _Costs]]] = {}  # by seed and step
    settings: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    same: dict[tuple[str, str, int], Terms] = {}  # few, for many thousands of lines
    for run in (run for seeds in by_design(found).values() for run in counted(seeds)):
        lines = run.curve()
        if not lines:
            continue
        own = {k: v for k, v in run.config.items() if k not in ("seed", "hash")}
        of = (run.sweep, design_of(run))
        first, others = settings.setdefault(of, (run.name, own))
        if own != others:
            keys = ", ".join(sorted(key for key in {*own, *others} if own.get(key) != others.get(key)))
            raise RecordError(
                f"{run.folder}: its settings differ from {first}'s ({keys}): seeds of one design share them"
            )
        seed = run.config.get("seed", 0)
        if seed in passed.get(of, {}):
            raise RecordError(f"{run.folder}: seed {seed} of {of[1]} stands in another folder too")
        costs = passed.setdefault(of, {}).setdefault(seed, {})
        own_rows: dict[str, dict[int, _Point]] = {}
        for line in lines:
            step, metric = line["step"], line["metric"]
            told = (str(line.get("judge", "")), str(line.get("mode", "")), line["n"])
            if (terms := same.get(told)) is None:
                terms = same[told] = Terms(*told)
            if metric not in own_rows:
                own_rows[metric] = rows.setdefault((*of, metric), {}).setdefault(seed, {})
            own_rows[metric][step] = _Point(line["value"], line.get("relative"), terms)
            if step not in costs:
                costs[step] = tuple(map(line.get, _ACCOUNTS.values()))
    out = []
    shared = {key: set.intersection(*(set(own) for own in seeds.values())) for key, seeds in passed.items()}
    spent: dict[tuple[str, str, tuple[int, ...]], dict[str, Numbers]] = {}  # most metrics of a design share theirs
    for (sweep, design, metric), measured in rows.items():
        seeds = passed[sweep, design]
        steps = sorted(shared[sweep, design] & {step for own in measured.values() for step in own})
        if not steps:
            continue
        points = [[measured.get(seed, {}).get(step, _NOTHING) for step in steps] for seed in sorted(seeds)]
        values, relative, terms = zip(*(zip(*row, strict=True) for row in points), strict=True)  # a row a seed
        at = (sweep, design, tuple(steps))
        if at not in spent:
            spent[at] = _spent([[seeds[seed][step] for step in steps] for seed in sorted(seeds)])
        axes = settings[sweep, design][1].get("design", {})
        out.append(
            Curve(
                sweep,
                design,
                axes.get("representation", ""),
                metric,
                tuple(sorted(seeds)),
                np.array(steps),
                np.array(values, float),
                np.array(relative, float),
                np.array([next(t.n for t in at_step if t) for at_step in zip(*terms, strict=True)]),
                spent[at],
                terms,
            )
        )
    return sorted(out, key=lambda c: (c.sweep, order(c.design), c.metric))


def _spent(costs: list[list[_Costs]]) -> dict[str, Numbers]:
    """What each seed had spent at each step; an account that some line lacks is left out."""
    accounts = {name: [[cost[k] for cost in row] for row in costs] for k, name in enumerate(_ACCOUNTS)}
    return {name: np.array(table, float) for name, table in accounts.items() if not any(None in row for row in table)}


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
