"""Measured ceilings and floors of the embedded dataset, which ship with the package. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from headtohead.records import metrics

PATH = Path(__file__).parents[1] / "pretrained" / "weights" / "ceilings.json"
Row = dict[str, float]  # by metric, under the names that curves have
Kind = Literal["ceiling", "oracle", "retrieval", "blind"]

RENDERS = 64  # of a prompt, whose tokens an oracle mean averages
NOISES = (0.0, 0.1, 0.2, 0.4, 0.8)  # sizes of token noise, relative to the tokens' own deviation
RETRIEVAL = "nearest caption"
BLIND = ("noise", "blank", "shuffled prompts", "unconditional")  # floors of pictures that ignore their prompt


def measured() -> dict[str, Any]:
    """Everything that `make foundations` measured; empty before it ran."""
    return json.loads(PATH.read_text()) if PATH.exists() else {}


@cache
def ceiling(representation: str) -> Row:
    """Scores by metric of true renders after a round trip through a representation: an upper bound of heads on it."""
    row: Row = measured().get("ceilings", {}).get(representation, {})
    return row


@cache
def oracle(representation: str) -> Row:
    """Scores by metric of the decoded mean of the tokens of many renders of a prompt: an upper bound of regressions."""
    row: Row = measured().get("oracle means", {}).get(representation, {})
    return row


@cache
def token_noise(representation: str) -> dict[str, Row]:
    """Scores by metric of true renders whose tokens carry noise, by its size."""
    rows: dict[str, Row] = measured().get("token noise", {}).get(representation, {})
    return rows


@cache
def floor(name: str = "shuffled prompts") -> Row:
    """Scores by metric of pictures that were made for other prompts, or of another floor by its name."""
    row: Row = measured().get("floors", {}).get(name, {})
    return row


def blind_floor(metric: str) -> float | None:
    """The highest score of pictures that ignore their prompt; None for metrics without a floor. FID has none: pictures
    of other prompts are as like true ones as those of the right prompts."""
    scores = [row[metric] for row in map(floor, BLIND) if metric in row]
    return max(scores) if scores and metrics.of(metric).higher else None


@dataclass(frozen=True)
class Bound:
    """A line beside which a figure shows a metric."""

    name: str
    value: float
    kind: Kind

    @property
    def floor(self) -> bool:
        return self.kind in ("retrieval", "blind")


def bounds(metric: str, representations: Iterable[str]) -> list[Bound]:
    """Ceilings, oracle means and floors of a metric.

    metric           key of a curve
    representations  of the designs that the figure shows; each has its ceiling and its oracle mean

    FID has ceilings only.
    """
    shown = [r for r in sorted(set(representations)) if r]
    out = [Bound(f"{r.upper()} ceiling", ceiling(r)[metric], "ceiling") for r in shown if metric in ceiling(r)]
    if not metrics.of(metric).higher:
        return out
    out += [Bound(f"{r.upper()} oracle mean", oracle(r)[metric], "oracle") for r in shown if metric in oracle(r)]
    if metric in (row := floor(RETRIEVAL)):
        out.append(Bound("retrieval floor", row[metric], "retrieval"))
    if (blind := blind_floor(metric)) is not None:
        out.append(Bound("prompt-blind floor", blind, "blind"))
    return out


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
