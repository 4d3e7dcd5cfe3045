"""Kinds of checks of a claim: each computes a difference over seeds between designs of a sweep, and its p-value.

A check that requires several comparisons to agree uses the weakest of them (an intersection-union test), which needs no
correction for their number.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

import numpy as np

from ablations.analysis.claims.evidence import SHARE, Evidence, Missing, Score, Unmeasured, better, cell_of, weakest
from ablations.analysis.curves import STEPS
from ablations.analysis.designs import Cell, comparable, unlike
from ablations.analysis.equal_budget import Incomparable, equal
from ablations.analysis.statistics import difference
from headtohead.config.design import DESIGNS
from headtohead.records import metrics


class Check(Protocol):
    def evidence(self, cells: Sequence[Cell]) -> Evidence: ...


@dataclass(frozen=True)
class Beats:
    """One design is better than another."""

    better: str
    worse: str
    metric: str
    by: str = STEPS
    share: float = 1.0  # of the largest budget that both have reached

    def evidence(self, cells: Sequence[Cell]) -> Evidence:
        return better(cell_of(cells, self.better), cell_of(cells, self.worse), self.metric, self.by, self.share)


@dataclass(frozen=True)
class Best:
    """One design is better than each of the others; contradicted if another is significantly better."""

    best: str
    others: tuple[str, ...]
    metric: str

    def evidence(self, cells: Sequence[Cell]) -> Evidence:
        own = cell_of(cells, self.best)
        parts = [better(own, cell_of(cells, other), self.metric) for other in self.others]
        against = [e for e in parts if e.difference.effect < 0]
        used = tuple({c.name: c for e in parts for c in e.used}.values())
        if not against:
            least = weakest(parts)
            p = float(np.max([e.difference.p for e in parts]))
            return replace(least, difference=replace(least.difference, p=p), used=used, scores=_every(parts))
        matters = [e for e in against if abs(e.difference.effect) >= e.margin] or against
        worst = min(matters, key=lambda e: float(np.nan_to_num(e.difference.p, nan=2.0)))
        p = float(np.minimum(1.0, worst.difference.p * len(parts)))  # the worst of several was chosen
        return replace(worst, difference=replace(worst.difference, p=p), used=used, scores=_every(parts))


def _every(parts: Sequence[Evidence]) -> tuple[Score, ...]:
    """The scores of all comparisons, each design's of a metric once."""
    return tuple({(s.cell.name, s.metric): s for e in parts for s in e.scores}.values())


@dataclass(frozen=True)
class LargerIsBetter:
    """The largest recorded head of a design is better than the smallest."""

    design: str
    metric: str

    def evidence(self, cells: Sequence[Cell]) -> Evidence:
        same = [c for c in cells if c.axes == asdict(DESIGNS.find(self.design, "claim")) and c.curves]
        sizes = sorted((c for c in same if all(k.startswith("head.") for k in c.varied)), key=_size)
        if len(sizes) < 2 or _size(sizes[0]) == _size(sizes[-1]):
            raise Missing(f"fewer than two sizes of {self.design}'s head")
        return better(sizes[-1], sizes[0], self.metric, may_differ="head.")


def _size(cell: Cell) -> float:
    """Proportional to the parameters of a transformer."""
    return float(cell.settings.get("head.layers", 0)) * float(cell.settings.get("head.dim", 0)) ** 2


@dataclass(frozen=True)
class Share:
    """One value of a design is at least, or at most, a share of another value of the same runs, at the last point."""

    design: str
    part: str
    whole: str
    least: float | None = None
    most: float | None = None
    because: str = ""  # why the share must be the same in every seed

    def evidence(self, cells: Sequence[Cell]) -> Evidence:
        cell = cell_of(cells, self.design)
        end = max(int(c.steps[-1]) for c in cell.curves.values())
        part, whole = (cell.curves.get(metric) for metric in (self.part, self.whole))
        if part is None or whole is None or part.steps[-1] != end or whole.steps[-1] != end:
            raise Unmeasured(f"{cell.name} has no {self.part} at its last point, or too few pictures were accepted")
        equal([part]), equal([whole])  # one judge for all seeds
        comparable([cell], STEPS, end)
        shares = part.values[:, -1] / whole.values[:, -1]
        has = shares[~np.isnan(shares)]
        signed = has - self.least if self.least is not None else (self.most or 0.0) - has
        said = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        seeds = f", measured in {len(has)} of {len(shares)} seeds" if len(has) < len(shares) else ""
        detail = f"{cell.name}: {self.part} is {has.mean():.3f} of {self.whole} ({said} is claimed){seeds}"
        return Evidence(difference(signed), SHARE, detail, (cell,), 0.0, self.because)


@dataclass(frozen=True)
class Disagree:
    """One of two designs is better by one metric, the other by each of several others."""

    one: str
    other: str
    metric: str
    against: tuple[str, ...]

    def evidence(self, cells: Sequence[Cell]) -> Evidence:
        a, b = cell_of(cells, self.one), cell_of(cells, self.other)
        against = [m for m in self.against if m in {*a.curves, *b.curves}]
        parts = [better(a, b, m) for m in (self.metric, *(against or self.against))]
        first, *others = (float(np.sign(e.difference.effect)) for e in parts)
        least, p = weakest(parts), float(np.max([e.difference.p for e in parts]))
        effect = abs(least.difference.effect)
        sign = 1.0
        if len(set(others)) > 1 or 0 in (first, *others):
            p = p if np.isnan(p) else 1.0  # the other metrics disagree with each other
        elif others[0] == first:
            sign = -1.0
        d = least.difference
        if sign * d.effect < 0:
            d = replace(d, low=-d.high, high=-d.low, size=-d.size)
        shown = replace(d, effect=sign * effect, p=p)
        detail = "; ".join(e.detail for e in parts) + _disorder(cells, self.metric, against)
        return replace(least, difference=shown, detail=detail, scores=_every(parts))


def _disorder(cells: Sequence[Cell], metric: str, against: Sequence[str]) -> str:
    """The number of comparable pairs of designs that two metrics order differently, by means over seeds."""
    ranked = [c for c in cells if {metric, *against} <= set(c.curves)]
    pairs = [(a, b) for a, b in itertools.combinations(ranked, 2) if not unlike(a, b)]
    out = []
    for other in against:
        signs = [s for s in (_sign(a, b, metric) * _sign(a, b, other) for a, b in pairs) if not np.isnan(s)]
        out.append(f"{sum(s < 0 for s in signs)} of {len(signs)} pairs of designs by {metrics.of(other).name}")
    return f"; {metrics.of(metric).name} orders otherwise " + ", ".join(out)


def _sign(a: Cell, b: Cell, metric: str) -> float:
    """The sign of the difference of means over seeds; NaN for designs that are not comparable."""
    try:
        one, other = equal([a.curves[metric], b.curves[metric]]).values
    except Incomparable:
        return float("nan")
    return float(np.sign(one.mean() - other.mean())) * (1 if metrics.of(metric).higher else -1)


@dataclass(frozen=True)
class NotBuilt:
    """A claim that no design can test yet."""

    why: str

    def evidence(self, cells: Sequence[Cell]) -> Evidence:
        raise Missing(self.why)
