"""Measured ceilings and floors of the embedded dataset, which ship with the package. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from headtohead.records import metrics

PATH = Path(__file__).parents[1] / "pretrained" / "weights" / "ceilings.json"
Row = dict[str, float]  # by metric, under the names that curves have


def measured() -> dict[str, Any]:
    """Everything that `make foundations` measured; empty before it ran."""
    return json.loads(PATH.read_text()) if PATH.exists() else {}


@cache
def ceiling(representation: str) -> Row:
    """Scores by metric of true renders after a round trip through a representation: an upper bound of heads on it."""
    row: Row = measured().get("ceilings", {}).get(representation, {})
    return row


@cache
def floor(name: str = "shuffled prompts") -> Row:
    """Scores by metric of pictures that were made for other prompts."""
    row: Row = measured().get("floors", {}).get(name, {})
    return row


def bounds(metric: str, representations: Iterable[str]) -> list[tuple[str, float, bool]]:
    """Lines beside which a figure shows a metric: name, value, and whether it is a floor.

    metric           key of a curve
    representations  of the designs that the figure shows; each has its ceiling

    FID has no floor: pictures of other prompts are as like true ones as those of the right prompts.
    """
    rows = [(f"{r.upper()} ceiling", ceiling(r), False) for r in sorted(set(representations)) if r]
    rows += [("shuffled prompts", floor(), True)] if metrics.of(metric).higher else []
    return [(name, row[metric], low) for name, row, low in rows if metric in row]


def relative(metric: str, value: float, representation: str) -> tuple[float | None, float | None]:
    """The ceiling of a score and value / ceiling; None, None for metrics without a ceiling.

    metric          key of a curve
    value           as measured
    representation  that the design predicts
    """
    top = ceiling(representation).get(metric)
    if not top or metrics.of(metric).scale != "share":
        return None, None
    return top, value / top
