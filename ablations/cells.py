"""The designs that a sweep's records hold, as cells of a factorial: axes, overrides and the finished seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ablations.curves import SECONDS, Curve, curves, design_of, order
from ablations.spec import tuned
from ablations.views import Incomparable
from headtohead.design import cell_of
from headtohead.presets import CHOSEN
from headtohead.records import Run

FINISHED = "finished"
# Chosen for each design by the same search: part of the design, not a setting in which two of them differ.
TUNED = frozenset(key for designs in CHOSEN.values() for chosen in designs.values() for key in chosen)


@dataclass(frozen=True)
class Cell:
    """One design of one sweep with its finished seeds; what is still running has no final score to compare."""

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
        """Settings that a grid gave this cell, from its name; an axis that a grid varies is an axis still."""
        _, settings = cell_of(self.name)
        return frozenset(part.split("=")[0] for part in settings.split("+") if part)


def cells(found: Iterable[Run], drawn: Iterable[Curve] = ()) -> dict[str, list[Cell]]:
    """Every design by sweep; curves of all its runs, if at hand, spare reading a design again that is finished."""
    known: dict[tuple[str, str], list[Curve]] = {}
    for curve in drawn:
        known.setdefault((curve.sweep, curve.design), []).append(curve)
    by: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        by.setdefault((run.sweep, design_of(run)), []).append(run)
    out: dict[str, list[Cell]] = {}
    for (sweep, name), own in sorted(by.items(), key=lambda item: (item[0][0], order(item[0][1]))):
        out.setdefault(sweep, []).append(_cell(sweep, name, own, known.get((sweep, name), [])))
    return out


def _cell(sweep: str, name: str, own: list[Run], known: list[Curve]) -> Cell:
    done = [r for r in own if r.state["state"] == FINISHED]
    config = {k: v for k, v in (done or own)[0].config.items() if k not in ("seed", "hash")}
    exams: dict[int, set[str]] = {}
    for run in done:
        for step, exam in run.exams().items():
            exams.setdefault(step, set()).add(exam)
    return Cell(
        sweep,
        name,
        {k: str(v) for k, v in config.pop("design", {}).items()},
        _flat(config),
        {c.metric: c for c in (known if known and len(done) == len(own) else curves(done))},
        {r.config.get("seed", 0): r.state["state"] for r in own if r not in done},
        {step: frozenset(names) for step, names in exams.items()},
        frozenset(json.dumps(r.state["machine"], sort_keys=True) for r in done if "machine" in r.state),
        TUNED.union(search.space if (search := tuned(own[0].folder.parent).get(name.split("+")[0])) else ()),
    )


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in config.items():
        out.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return out


def unlike(a: Cell, b: Cell) -> list[str]:
    """Settings in which two cells differ, apart from axes and what was tuned for each."""
    chosen = (a.tuned | b.tuned) - a.varied - b.varied
    keys = sorted({*a.settings, *b.settings} - chosen)
    return [key for key in keys if a.settings.get(key) != b.settings.get(key)]


def comparable(compared: list[Cell], by: str, until: int, apart: str = "") -> None:
    """Refuses cells that differ in another setting than those that begin with `apart`, in exam, or in the machine."""
    first = compared[0]
    for other in compared[1:]:
        for key in unlike(first, other):
            if not (apart and key.startswith(apart)):
                a, b = first.settings.get(key), other.settings.get(key)
                raise Incomparable(f"{key} is {a} for {first.name} and {b} for {other.name}")
    for step in sorted({step for cell in compared for step in cell.exams if step <= until}):
        asked = set().union(*(cell.exams.get(step, frozenset()) for cell in compared))
        if len(asked) > 1:
            raise Incomparable(f"exam at step {step:,} is {' and '.join(sorted(asked))}")
    machines = frozenset().union(*(cell.machines for cell in compared))
    if by == SECONDS and len(machines) > 1:
        raise Incomparable(f"machine is {' and '.join(sorted(machines))}")
