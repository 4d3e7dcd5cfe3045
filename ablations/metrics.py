"""What a comparison holds, and the bounds of it: all that a figure needs, which is drawn without any statistics."""

from __future__ import annotations

from collections.abc import Iterable

from headtohead import limits

# What stands in the comparison, under which title, with how many digits, and whether more is better.
METRICS = {
    "geneval/overall": ("GenEval", 3, True),
    "geneval/seen": ("seen", 3, True),
    "geneval/unseen": ("unseen", 3, True),
    "dpg/overall": ("DPG", 3, True),
    "fid": ("FID", 1, False),
}


def lines(metric: str, representations: Iterable[str]) -> list[tuple[str, float, bool]]:
    """Ceilings of what is compared and the floor of shuffled prompts: name, value, and whether it is a floor. FID has
    none of the latter: pictures of other prompts are as like true ones as those of the right prompts."""
    rows = [(f"{r.upper()} ceiling", limits.ceiling(r), False) for r in sorted(set(representations)) if r]
    rows += [("shuffled prompts", limits.floor(), True)] if METRICS[metric][2] else []
    return [(name, row[metric], floor) for name, row, floor in rows if metric in row]
