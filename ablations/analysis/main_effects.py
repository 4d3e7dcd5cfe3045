"""Main effects of the axes: mean change of a score over all pairs of designs that differ in one axis only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ablations.analysis.curves import STEPS
from ablations.analysis.designs import Cell, compared, near_floor, unlike
from ablations.analysis.equal_budget import Incomparable
from ablations.analysis.statistics import CONSTANT, SMALLEST, Difference, difference, holm
from ablations.analysis.table import Table
from headtohead.config.design import AXES
from headtohead.records import metrics

MOST_LEVELS = 5  # settings with more values were searched, and are not treated as factors


@dataclass(frozen=True)
class Effect:
    """Score at a later level minus score at an earlier level: a mean over pairs of designs by seed, then over seeds."""

    axis: str
    before: str
    after: str
    metric: str
    pairs: tuple[tuple[str, str], ...]  # names of the designs, before and after
    difference: Difference
    p_holm: float  # over the effects of this metric
    each: tuple[float, ...]  # mean over seeds of each pair; signs may differ
    floored: int  # pairs with both designs near the floor
    refused: tuple[str, ...] = ()  # pairs that are not comparable, with reasons


def main_effects(designs: Sequence[Cell], metric: str, by: str = STEPS) -> list[Effect]:
    """Effects of each axis and of each setting that a grid varies, over seeds that all pairs of an effect have.

    designs  of a sweep
    metric   its key
    by       measure of cost at which scores are compared
    """
    having = [c for c in designs if metric in c.curves]
    found = []
    for factor, levels in factors(having).items():
        if len(levels) > MOST_LEVELS:
            continue
        for before, after in itertools.combinations(levels, 2):
            rows, kept, floored, refused = _differences(_pairs(having, factor, before, after), metric, by, factor)
            if rows or refused:
                seeds = sorted(set.intersection(*map(set, rows))) if rows else []
                if rows and not seeds:
                    refused = (*refused, f"{factor} from {before} to {after}: no seed in common to its pairs")
                every = [[row[s] for s in seeds] for row in rows]
                mean, each = (np.mean(every, 0), np.mean(every, 1).tolist()) if seeds else ([], [])
                of = (factor, str(before), str(after), metric, kept)
                found.append(Effect(*of, difference(mean), float("nan"), tuple(each), floored, refused))
    corrected = holm([e.difference.p for e in found])
    return [replace(e, p_holm=float(p)) for e, p in zip(found, corrected, strict=True)]


def factors(designs: Sequence[Cell]) -> dict[str, list[Any]]:
    """Axes and settings that grids vary, with the levels that occur."""
    names = [*AXES, *sorted({key for c in designs for key in c.varied})]
    return {f: sorted({_level(c, f) for c in designs}, key=partial(_rank, f)) for f in names}


def _level(cell: Cell, factor: str) -> Any:
    return cell.axes.get(factor, "") if factor in AXES else cell.settings.get(factor, "")


def _rank(factor: str, level: Any) -> tuple[float, str]:
    if factor in AXES:
        levels = list(AXES[factor])  # in the order of declaration
        return (levels.index(level) if level in levels else len(levels)), str(level)
    return (float(level), "") if isinstance(level, (int, float)) else (float("inf"), str(level))


def _pairs(designs: Sequence[Cell], factor: str, before: Any, after: Any) -> list[tuple[Cell, Cell]]:
    """Pairs of designs that differ in this factor only, apart from tuned settings."""
    one, other = ([c for c in designs if _level(c, factor) == level] for level in (before, after))
    by: dict[tuple[Any, ...], list[Cell]] = {}
    for c in other:
        by.setdefault(_other_axes(c, factor), []).append(c)
    alike = ((a, b) for a in one for b in by.get(_other_axes(a, factor), ()))
    return [(a, b) for a, b in alike if set(unlike(a, b)) <= {factor}]


def _other_axes(cell: Cell, factor: str) -> tuple[Any, ...]:
    return tuple(_level(cell, axis) for axis in AXES if axis != factor)


def _differences(
    pairs: list[tuple[Cell, Cell]], metric: str, by: str, factor: str
) -> tuple[list[dict[int, float]], tuple[tuple[str, str], ...], int, tuple[str, ...]]:
    rows, kept, floored, refused = [], [], 0, []
    for a, b in pairs:
        try:
            at = compared([a, b], metric, by, may_differ="" if factor in AXES else factor)
        except Incomparable as field:
            refused.append(f"{a.name} and {b.name}: {field}")
            continue
        one, other = at.scores
        if not (seeds := set(one) & set(other)):
            refused.append(f"{a.name} and {b.name}: no seed in common")
            continue
        rows.append({s: other[s] - one[s] for s in seeds})
        kept.append((a.name, b.name))
        means = ((c.curves[metric], float(np.mean([*own.values()]))) for c, own in ((a, one), (b, other)))
        floored += all(near_floor(curve, mean) is not None for curve, mean in means)
    return rows, tuple(kept), floored, tuple(refused)


def table(designs: Sequence[Cell]) -> Table | None:
    rows, refused = [], []
    for metric in metrics.headline():
        name, digits = metric.name, metric.digits
        for e in main_effects(designs, metric.key):
            refused += [f"{name}: {pair}" for pair in e.refused]
            d = e.difference
            if d.n:
                between = "–" if np.isnan(d.low) else f"{d.low:+.{digits}f} to {d.high:+.{digits}f}"
                between = CONSTANT if d.constant else between
                ps = ["–" if np.isnan(p) or d.constant else f"{p:.2g}" for p in (d.p, e.p_holm)]
                effect, least, most = (f"{v:+.{digits}f}" for v in (d.effect, min(e.each), max(e.each)))
                pairs = [str(len(e.pairs)), str(e.floored or "–"), f"{least} to {most}" if len(e.pairs) > 1 else "–"]
                rows.append([f"{e.axis}: {e.before} → {e.after}", name, effect, between, *ps, str(d.n), *pairs])
    searched = [f"{name} ({len(own)} values)" for name, own in factors(designs).items() if len(own) > MOST_LEVELS]
    note = (
        "What changing one axis alone does to a score at equal steps: a mean over all pairs of designs that differ in "
        "nothing else but what a search chose for each, with 95 % t intervals over seeds; Holm over the effects of one "
        "metric. A fall in FID is a gain. In single pairs: the least and the largest effect; where they differ in "
        "sign, the mean says little."
        f" Near the floor: pairs in which both designs score less than {SMALLEST:g} above what pictures that ignore "
        "their prompts do, so that their difference says little."
    ) + "".join(f" Left out, for they do not compare: {'; '.join(refused)}." if refused else "")
    note += f" Searched rather than varied: {', '.join(searched)}." if searched else ""
    head = [
        "change",
        "metric",
        "effect",
        "95 % interval",
        "p",
        "Holm",
        "seeds",
        "pairs",
        "near the floor",
        "in single pairs",
    ]
    return Table("Main effects of the axes", head, rows, note) if rows or refused else None
