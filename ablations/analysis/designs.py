"""The designs of a sweep as cells of a factorial design: axes, overrides and finished seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from ablations.analysis.curves import FINISHED, SECONDS, STEPS, Curve, by_design, curves, order
from ablations.analysis.equal_budget import Equal, Incomparable, equal
from ablations.analysis.statistics import SMALLEST
from headtohead.config.design import GROUPS, cell_of, group_of
from headtohead.config.presets import CHOSEN
from headtohead.records import ceilings
from headtohead.records.read import Run
from headtohead.records.sweep_folder import Tuned, tuned

# Chosen for each design by the same search: part of the design, so that designs may differ in them.
TUNED = frozenset(key for designs in CHOSEN.values() for chosen in designs.values() for key in chosen)


@dataclass(frozen=True, eq=False)
class Cell:
    """One design of one sweep with its finished seeds; unfinished runs have no final score."""

    sweep: str
    name: str
    axes: dict[str, str]
    settings: dict[str, Any]  # all others, by dotted key
    curves: dict[str, Curve]
    left: dict[int, str] = field(default_factory=dict)  # seeds that are not finished, and their state
    exams: dict[int, frozenset[str]] = field(default_factory=dict)  # by step, over seeds
    machines: frozenset[str] = frozenset()
    tuned: frozenset[str] = TUNED  # settings that belong to the design

    @cached_property
    def varied(self) -> frozenset[str]:
        """Settings that a grid varies, from the name of the design."""
        _, settings = cell_of(self.name)
        return frozenset(part.split("=")[0] for part in settings.split("+") if part)

    @cached_property
    def given(self) -> frozenset[tuple[str, Any]]:
        """Settings that have a value, hashable and cached, since every pair of hundreds of cells is compared."""
        pairs = ((k, tuple(v) if isinstance(v, list) else v) for k, v in self.settings.items() if v is not None)
        return frozenset(pairs)


def cells(found: Iterable[Run], known_curves: Iterable[Curve] = ()) -> dict[str, list[Cell]]:
    """Every design by sweep.

    found         runs
    known_curves  of these runs, if they were computed before
    """
    found = list(found)
    known: dict[tuple[str, str], list[Curve]] = {}
    for curve in known_curves or curves([run for run in found if run.state["state"] == FINISHED]):
        known.setdefault((curve.sweep, curve.design), []).append(curve)
    out: dict[str, list[Cell]] = {}
    searched = {run.folder.parent: tuned(run.folder.parent, run.damage) for run in by_folder(found)}
    for (sweep, name), own in sorted(by_design(found).items(), key=lambda item: (item[0][0], order(item[0][1]))):
        search = searched[own[0].folder.parent].get(name.split("+")[0])
        out.setdefault(sweep, []).append(_cell(sweep, name, own, known.get((sweep, name), []), search))
    return out


def by_folder(found: Iterable[Run]) -> Iterable[Run]:
    """One run of each sweep's folder."""
    return {run.folder.parent: run for run in found}.values()


def _cell(sweep: str, name: str, own: list[Run], known: list[Curve], search: Tuned | None) -> Cell:
    done = [r for r in own if r.state["state"] == FINISHED]
    first = (done or own)[0]
    exams: dict[int, set[str]] = {}
    for run in done:
        for step, exam in run.exams().items():
            exams.setdefault(step, set()).add(exam)
    return Cell(
        sweep,
        name,
        {k: str(v) for k, v in first.config.get("design", {}).items()},
        first.settings,
        {c.metric: c for c in known} if done else {},
        {r.config.get("seed", 0): r.state["state"] for r in own if r not in done},
        {step: frozenset(names) for step, names in exams.items()},
        frozenset(json.dumps(r.state["machine"], sort_keys=True) for r in done if "machine" in r.state),
        TUNED.union(search.space if search else ()),
    )


@cache
def unlike(a: Cell, b: Cell) -> tuple[str, ...]:
    """Settings in which two cells differ, without axes, tuned settings, and settings that only one of the heads or
    objectives has (unless a variant changes them)."""
    differing = {key for key, _ in a.given ^ b.given} - ((a.tuned | b.tuned) - a.varied - b.varied)
    other = {axis for axis in GROUPS if a.axes.get(axis) != b.axes.get(axis)}
    kept = a.settings.keys() & b.settings.keys() | a.varied | b.varied
    differing = {key for key in differing if group_of(key) not in other or key in kept}
    return tuple(sorted(differing))


def varied(own: Iterable[Cell]) -> tuple[str, ...]:
    """Settings that the sweep varies by name, and therefore compares."""
    return tuple(frozenset[str]().union(*(c.varied for c in own)))


def alike(own: Sequence[Cell], may_differ: str | tuple[str, ...]) -> None:
    """Raise if cells differ in a setting that does not begin with one of `may_differ`."""
    first = own[0]
    for other in own[1:]:
        for key in unlike(first, other):
            if not (may_differ and key.startswith(may_differ)):
                a, b = first.settings.get(key), other.settings.get(key)
                raise Incomparable(key, f" is {a} for {first.name} and {b} for {other.name}")


def comparable(own: Sequence[Cell], by: str, until: int, may_differ: str | tuple[str, ...] = "") -> None:
    """Raise if cells differ in prompts, machine, or a setting that does not begin with one of `may_differ`."""
    alike(own, may_differ)
    for step in sorted({step for cell in own for step in cell.exams if step <= until}):
        prompts = set().union(*(cell.exams.get(step, frozenset()) for cell in own))
        if len(prompts) > 1:
            raise Incomparable(f"exam at step {step:,}", f" is {' and '.join(sorted(prompts))}")
    machines = frozenset().union(*(cell.machines for cell in own))
    if by == SECONDS and len(machines) > 1:
        raise Incomparable("machine", f" is {' and '.join(sorted(machines))}")


def compared(
    own: Sequence[Cell], metric: str, by: str = STEPS, share: float = 1.0, may_differ: str | tuple[str, ...] = ""
) -> Equal:
    """Scores of cells at one budget; raises if they are not comparable. Verdicts and ranks all use this check."""
    at = equal([c.curves[metric] for c in own], by, share)
    comparable(own, at.by, at.until, may_differ)
    return at


def near_floor(curve: Curve, mean: float) -> float | None:
    """The prompt-blind floor of a metric if a mean exceeds it by less than the smallest effect of interest; else None.

    curve  of the metric; only the synthetic dataset's judge has a known floor
    mean   over seeds, at a point of the curve
    """
    floor = floor_of(curve)
    return floor if floor is not None and mean < floor + SMALLEST else None


def floor_of(curve: Curve) -> float | None:
    """The prompt-blind floor of a curve's metric; None for metrics without one, and for other judges than the
    synthetic dataset's."""
    known = all(terms.mode == "world" for row in curve.terms for terms in row if terms)
    return ceilings.blind_floor(curve.metric) if known else None


@dataclass(frozen=True)
class Ranking:
    """Names of the comparable designs, and of the others by the reason for leaving them out."""

    ranked: tuple[str, ...]
    left: dict[str, tuple[str, ...]]  # by reason, with the values of the first of them

    def __str__(self) -> str:
        """A sentence about designs that are left out; empty if there are none."""
        return f"Not ranked: {self.reasons}." if self.left else ""

    @property
    def reasons(self) -> str:
        return "; ".join(f"{', '.join(names)} ({why})" for why, names in self.left.items())


def rank(cells: Sequence[Cell], keys: Iterable[str]) -> Ranking:
    """Comparable designs at the final point, among those that have trained longest; the others may still catch up."""
    last = {c.name: max(int(own.steps[-1]) for own in c.curves.values()) for c in cells if c.curves}
    most = max(last.values(), default=0)
    found = together([c for c in cells if last.get(c.name) == most and c.curves], keys)
    why = {c.name: f"at step {last[c.name]:,} of {most:,}" if c.curves else "no finished seed" for c in cells}
    behind = {name: reason for name, reason in why.items() if last.get(name) != most}
    return Ranking(found.ranked, _grouped(behind) | found.left)


def together(cells: Sequence[Cell], keys: Iterable[str], by: str = STEPS) -> Ranking:
    """The largest group of mutually comparable designs; of equally large ones the first."""
    wanted = tuple(keys)
    groups: list[list[Cell]] = []
    for cell in cells:
        group = next((g for g in [*groups, []] if not _refusal(cell, g, wanted, by)), None)
        if group == []:
            groups.append(group)
        if group is not None:
            group.append(cell)
    best = max(groups, key=len, default=[])
    refused: dict[str, Incomparable] = {}
    for cell in cells:
        if cell not in best:
            if why := _refusal(cell, best, wanted, by):
                refused[cell.name] = why
            else:
                best.append(cell)
    given: dict[str, str] = {}  # by field; the first of many variants serves as an example
    return Ranking(
        tuple(c.name for c in cells if c in best),
        _grouped({name: given.setdefault(why.field, str(why)) for name, why in refused.items()}),
    )


def _refusal(cell: Cell, group: Sequence[Cell], keys: Iterable[str], by: str) -> Incomparable | None:
    """Why a cell is not comparable with a group, or None. Terms and prompts are compared with its first cell, settings
    with all cells, as they may be tuned for some designs only. Settings that the sweep varies by name may differ.
    """
    pair = [*group[:1], cell]
    may_differ = varied([*group, cell])
    try:
        for other in group:
            alike([other, cell], may_differ)
        for metric in keys:
            if all(metric in c.curves for c in pair):
                compared(pair, metric, by, may_differ=may_differ)
    except Incomparable as field:
        return field
    return None


def _grouped(why: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {reason: tuple(n for n, r in why.items() if r == reason) for reason in dict.fromkeys(why.values())}
