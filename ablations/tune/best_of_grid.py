"""The best value of a sweep's grid for each design, by its score on dev prompts."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ablations.analysis.curves import read
from headtohead.config.design import cell_of
from headtohead.records import metrics
from headtohead.records.json_files import RecordError, write
from headtohead.records.read import Run
from headtohead.utils.cli import Parser

CHOSEN = "chosen.json"


def objective() -> str:
    """What searches maximize, in words."""
    return f"mean of {' and '.join(m.name for m in metrics.alignment())} at the last point, on dev prompts"


def score(numbers: Mapping[str, float]) -> float:
    """The score that searches maximize, from one point's numbers by metric: short prompts and dense ones."""
    return sum(numbers[m.key] for m in metrics.alignment()) / len(metrics.alignment())


def missing(numbers: Mapping[str, float]) -> list[str]:
    """The metrics of the score that a point lacks, or that are not finite there."""
    return [m.key for m in metrics.alignment() if not math.isfinite(numbers.get(m.key, math.nan))]


@dataclass(frozen=True)
class Choice:
    """One design: the score of every value of the grid, and the best value."""

    design: str
    scores: dict[str, float]  # by variant, such as train.lr=0.004; mean over seeds of the final point

    @property
    def best(self) -> str:
        return max(self.scores, key=self.scores.__getitem__)


def choices(results: Path) -> list[Choice]:
    """Scores of a results folder's grid."""
    found, curves = read(results)
    _dev_only(results, found)
    by: dict[str, dict[str, dict[str, float]]] = {}
    for c in curves:
        design, variant = cell_of(c.design)
        if variant and metrics.of(c.metric).alignment:
            by.setdefault(design, {}).setdefault(variant, {})[c.metric] = float(c.mean[-1])
    if not by:
        raise RecordError(f"{results}: holds no grid (runs such as clip_flow+train.lr=0.004-s0)")
    for design, variants in by.items():
        for variant, numbers in variants.items():
            if lacking := missing(numbers):
                raise RecordError(f"{results}: {design}+{variant} has no {', '.join(lacking)}")
    return [Choice(design, {variant: score(n) for variant, n in own.items()}) for design, own in by.items()]


def _dev_only(results: Path, found: list[Run]) -> None:
    """Refuse runs measured on test prompts: test scores of settings chosen there would be too high."""
    for run in found:
        split = run.config.get("evaluation", {}).get("split")
        if split != "dev":
            raise RecordError(f"{run.folder}: evaluation.split is {split}; settings are chosen on dev prompts")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.tune.best_of_grid", __doc__)
    parser.add_argument("results", type=Path, help="the results folder of a sweep with a grid")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _choose(options.results), "stopped")


def _choose(results: Path) -> None:
    found = choices(results)
    print(f"{objective()}; * is the best")
    width = max(len(choice.design) for choice in found)
    for choice in found:
        cells = [f"{v} {'*' if v == choice.best else ' '}{s:.3f}" for v, s in choice.scores.items()]
        print(f"{choice.design:{width}} " + "   ".join(cells))
    write(results / CHOSEN, {c.design: {**asdict(c), "best": c.best} for c in found})
    print(results / CHOSEN)


if __name__ == "__main__":
    sys.exit(main())
