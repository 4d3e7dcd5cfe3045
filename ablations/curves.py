"""Records as curves: one table of every number, grouped by sweep, design and seed. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import headtohead
from headtohead.records import RecordError, Run, runs

CEILINGS = Path(headtohead.__file__).parent / "weights" / "ceilings.json"


@dataclass(frozen=True)
class Curve:
    """One metric of one design in one sweep, over seeds that share their steps."""

    sweep: str
    design: str
    metric: str
    steps: NDArray[np.int64]  # (P,)
    flops: NDArray[np.float64]  # (P,)
    values: NDArray[np.float64]  # (seeds, P)

    @property
    def mean(self) -> NDArray[np.float64]:
        out: NDArray[np.float64] = self.values.mean(0)
        return out


def design_of(run: Run) -> str:
    """The run's folder is named after its design and seed."""
    return run.name.rsplit("-s", 1)[0]


def curves(results: Path) -> list[Curve]:
    """Every metric of every design; a step counts when each of the design's seeds has reached it."""
    rows: dict[tuple[str, str, str], dict[str, dict[int, dict[str, Any]]]] = {}
    settings: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    for run in runs(results):
        own = {k: v for k, v in run.config.items() if k not in ("seed", "hash")}
        first, others = settings.setdefault((run.sweep, design_of(run)), (run.name, own))
        if own != others:
            raise RecordError(f"{run.folder}: its settings differ from {first}'s: seeds of one design must share them")
        for line in run.curve():
            key = (run.sweep, design_of(run), line["metric"])
            rows.setdefault(key, {}).setdefault(run.name, {})[line["step"]] = line
    out = []
    for (sweep, design, metric), seeds in sorted(rows.items()):
        steps = sorted(set.intersection(*(set(s) for s in seeds.values())))
        if steps:
            table = np.array([[s[step]["value"] for step in steps] for s in seeds.values()], float)
            flops = np.array([next(iter(seeds.values()))[step]["flops"] for step in steps], float)
            out.append(Curve(sweep, design, metric, np.array(steps), flops, table))
    return out


def bounds() -> dict[str, dict[str, Any]]:
    """Measured ceilings and floors by name; none when the foundations were never measured."""
    if not CEILINGS.exists():
        return {}
    measured = json.loads(CEILINGS.read_text())
    return {**measured["ceilings"], **measured["floors"]}
