"""Which designs may be ranked: those that claims would compare, by the same rule, and why the others may not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ablations.cells import Cell, alike, compared, varied
from ablations.curves import STEPS
from ablations.views import Incomparable


@dataclass(frozen=True)
class Ranking:
    """Names of designs, and of the others by the reason why they are left out."""

    ranked: tuple[str, ...]
    left: dict[str, tuple[str, ...]]  # the reason of the first of them, with its values

    def __str__(self) -> str:
        """Who is left out; nothing where nobody is."""
        return f"Not ranked: {self.reasons}." if self.left else ""

    @property
    def reasons(self) -> str:
        return "; ".join(f"{', '.join(names)} ({why})" for why, names in self.left.items())


def rank(cells: Sequence[Cell], metrics: Iterable[str]) -> Ranking:
    """At the final point: of those that have come as far as any, for the others may still catch up."""
    last = {c.name: max(int(own.steps[-1]) for own in c.curves.values()) for c in cells if c.curves}
    most = max(last.values(), default=0)
    found = together([c for c in cells if last.get(c.name) == most and c.curves], metrics)
    why = {c.name: f"at step {last[c.name]:,} of {most:,}" if c.curves else "no finished seed" for c in cells}
    behind = {name: reason for name, reason in why.items() if last.get(name) != most}
    return Ranking(found.ranked, _grouped(behind) | found.left)


def together(cells: Sequence[Cell], metrics: Iterable[str], by: str = STEPS) -> Ranking:
    """The largest number of designs of which each compares with each other; of equal numbers the first."""
    wanted = tuple(metrics)
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
    told: dict[str, str] = {}  # by field: of many variants the first shows how they differ
    return Ranking(
        tuple(c.name for c in cells if c in best),
        _grouped({name: told.setdefault(why.field, str(why)) for name, why in refused.items()}),
    )


def _refusal(cell: Cell, group: Sequence[Cell], metrics: Iterable[str], by: str) -> Incomparable | None:
    """Terms and exams are equal or not, so that the group's first speaks for all; settings are tuned for some only.

    What a sweep varies by name is what it compares.
    """
    pair = [*group[:1], cell]
    apart = varied([*group, cell])
    try:
        for other in group:
            alike([other, cell], apart)
        for metric in metrics:
            if all(metric in c.curves for c in pair):
                compared(pair, metric, by, apart=apart)
    except Incomparable as field:
        return field
    return None


def _grouped(why: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {reason: tuple(n for n, r in why.items() if r == reason) for reason in dict.fromkeys(why.values())}
