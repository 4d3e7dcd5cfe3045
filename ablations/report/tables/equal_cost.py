"""Comparison at equal cost: scores of all designs at equal steps, FLOPs and seconds.

Readers choose the measure of cost: a design with a cheap head may have an expensive encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablations.analysis.curves import FLOPS, FLOPS_TOTAL, SECONDS, STEPS
from ablations.analysis.designs import Cell, compared, together, varied
from ablations.analysis.equal_budget import Incomparable, amount
from ablations.analysis.leaders import leaders
from ablations.analysis.table import Table, interval
from ablations.report.tables.scores import BOLD
from headtohead.records import metrics
from headtohead.records.metrics import Metric

ACCOUNTS = {STEPS: "steps", FLOPS: "FLOPs", FLOPS_TOTAL: "FLOPs of everything", SECONDS: "wall time"}


@dataclass(frozen=True)
class Column:
    """One score at one budget, with its text by design."""

    head: str
    metric: Metric
    scores: dict[str, dict[int, float]]  # by design and seed
    cells: dict[str, str]


def table(cells: Sequence[Cell]) -> Table | None:
    having = [c for c in cells if c.curves]
    columns, missing = list[Column](), dict[str, list[str]]()
    for by, account in ACCOUNTS.items():
        found = together(having, [m.key for m in metrics.alignment()], by)
        own, refused = _columns([c for c in having if c.name in found.ranked], by)
        columns += own
        for why in filter(None, (found.reasons, *refused)):
            missing.setdefault(why, []).append(account)
    if not columns:
        return None
    rows = [[c.name, *(column.cells.get(c.name, "–") for column in columns)] for c in having]
    names, best = [c.name for c in having], leaders([(column.metric, column.scores) for column in columns])
    marked = frozenset((names.index(name), k) for k, name in enumerate(best, 1) if name)
    head = ["design", *(column.head for column in columns)]
    return Table("The same comparison at equal cost", head, rows, _note(missing), marked)


def _columns(ranked: Sequence[Cell], by: str) -> tuple[list[Column], list[str]]:
    """Scores that can be compared, and reasons why others cannot."""
    found, refused = [], []
    for metric in metrics.alignment():
        own = [c for c in ranked if metric.key in c.curves]
        if len(own) < 2:
            continue
        try:
            at = compared(own, metric.key, by, may_differ=varied(own))
        except Incomparable as field:
            refused.append(f"all ({field})")
            continue
        if at.by != by:
            refused.append("all (some record lacks it)")
            continue
        values = {c.name: v for c, v in zip(own, at.values, strict=True)}
        scores = dict(zip(values, at.scores, strict=True))
        shown = {design: interval(v, metric.digits) for design, v in values.items()}
        found.append(Column(f"{metric.name} at {amount(at.budget, by)}", metric, scores, shown))
    return found, list(dict.fromkeys(refused))


def _note(missing: dict[str, list[str]]) -> str:
    note = (
        "Mean over seeds ± the half-width of the 95 % t interval, at the largest budget that every seed of every "
        "design compared has spent. FLOPs are those of head and language model, everything is what the cost table "
        "counts; they and time meet between points, on straight lines. Points before the last may have fewer "
        "prompts; scores are then compared before the last point. Times are those of the machine, with "
        f"all else that it did. {BOLD}"
    )
    for why, accounts in missing.items():
        of = "" if len(accounts) == len(ACCOUNTS) else f" at equal {', '.join(accounts)}"
        note += f" Left out{of}: {why}."
    return note
