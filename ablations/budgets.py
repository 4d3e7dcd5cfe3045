"""What a search was allowed to spend on a design whose settings it chose: by design, as searches need not be equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headtohead.design import DESIGNS
from headtohead.strict import Zero, build


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Which search chose a design's settings, and what it was allowed to spend."""

    study: str
    storage: str
    trials: int
    steps: int  # of each trial
    objective: str
    space: dict[str, str]  # what was searched, by setting
    pruned: bool = False  # whether trials that trailed behind were given up before their last step
    finished: Zero = 0  # trials that neither failed nor were given up; 0 where nobody counted
    seed: Zero = 0  # of all trials: scores at it are those that were chosen for being high


def read(given: Any, designs: Iterable[str], where: str) -> dict[str, Tuned]:
    """By design; files of before said once what was the same for these designs."""
    if isinstance(given, Mapping) and any(key in DESIGNS for key in given):
        return {str(design): build(Tuned, own, where, f"tuned.{design}") for design, own in given.items()}
    return dict.fromkeys(designs, build(Tuned, given, where, "tuned"))


def plain(tuned: Mapping[str, Tuned]) -> dict[str, Any]:
    return {design: asdict(own) for design, own in tuned.items()}


def alike(searches: Iterable[Tuned | None]) -> bool:
    """Whether all had the same to choose from and to spend; more of it flatters a design."""
    budgets = [(t.trials, t.steps, t.objective, t.space, t.pruned) if t else None for t in searches]
    return all(budget == budgets[0] for budget in budgets)


def spent(tuned: Tuned) -> str:
    counted = f" ({tuned.finished:,} finished)" if tuned.finished else ""
    return f"the best of {tuned.trials:,} trials of {tuned.steps:,} steps by the {tuned.objective}{counted}"
