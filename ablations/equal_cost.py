"""The same comparison at equal cost: scores of all designs where each has spent as much as the others, by any account.

Which account is the fair one is the reader's question: a design that is cheap by its head may be dear by its encoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ablations.cells import Cell, compared
from ablations.curves import FLOPS, FLOPS_TOTAL, SECONDS, STEPS
from ablations.ranking import Ranking, together
from ablations.tables import METRICS, Table, interval
from ablations.views import Incomparable, amount

SHOWN = ("geneval/overall", "dpg/overall")
ACCOUNTS = {STEPS: "steps", FLOPS: "FLOPs", FLOPS_TOTAL: "FLOPs of everything", SECONDS: "wall time"}


def table(cells: Sequence[Cell]) -> Table | None:
    having = [c for c in cells if c.curves]
    head, columns, missing = ["design"], list[dict[str, tuple[float, str]]](), dict[str, list[str]]()
    for by, account in ACCOUNTS.items():
        found = together(having, SHOWN, by)
        for why in filter(None, (found.reasons, *_columns(having, found, by, head, columns))):
            missing.setdefault(why, []).append(account)
    if not columns:
        return None
    rows = [[c.name, *(own[c.name][1] if c.name in own else "–" for own in columns)] for c in having]
    best = [max((mean, k) for k, c in enumerate(having) if (mean := own.get(c.name, (np.nan,))[0]) == mean)[1]
            for own in columns]  # fmt: skip
    marked = frozenset((row, column) for column, row in enumerate(best, 1))
    return Table("The same comparison at equal cost", head, rows, _note(missing), marked)


def _columns(
    having: Sequence[Cell], found: Ranking, by: str, head: list[str], columns: list[dict[str, tuple[float, str]]]
) -> list[str]:
    """Adds what can be compared, and gives why the rest cannot."""
    refused = []
    for metric in SHOWN:
        own = [c for c in having if c.name in found.ranked and metric in c.curves]
        if len(own) < 2:
            continue
        try:
            at = compared(own, metric, by, apart=tuple(frozenset().union(*(c.varied for c in own))))
        except Incomparable as field:
            refused.append(f"all ({field})")
            continue
        if at.by != by:
            refused.append("all (some record lacks it)")
            continue
        name, digits, _ = METRICS[metric]
        head.append(f"{name} at {amount(at.budget, by)}")
        shown = zip(own, at.values, strict=True)
        columns.append({c.name: (float(np.nanmean(v)), interval(v, digits)) for c, v in shown})
    return list(dict.fromkeys(refused))


def _note(missing: dict[str, list[str]]) -> str:
    note = (
        "Mean over seeds ± the half-width of the 95 % t interval, at the largest budget that every seed of every "
        "design compared has spent. FLOPs are those of head and language model, everything is what the cost table "
        "counts; they and time meet between points, on straight lines. Points on the way ask fewer prompts than the "
        "last, so that a score whose exam grows at the end is compared before it. Times are those of the machine, with "
        "all else that it did."
    )
    for why, accounts in missing.items():
        of = "" if len(accounts) == len(ACCOUNTS) else f" at equal {', '.join(accounts)}"
        note += f" Left out{of}: {why}."
    return note
