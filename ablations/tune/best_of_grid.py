"""The best value of a sweep's grid for each design, by held-out loss and score on dev prompts together.

Early in training a score can lie on the floor, where it is noise, while the loss already tells values apart; later a
lower loss need not mean better images. So values are ranked by both, and the best mean rank wins.
"""

from __future__ import annotations

import contextlib
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
LOSSES = "loss/"  # begins the names of held-out losses


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
    """One design: score and held-out loss of every value of the grid, and the best value."""

    design: str
    scores: dict[str, float]  # by variant, such as train.lr=0.004; mean over seeds of the final point
    losses: dict[str, float]  # likewise; empty where no loss was recorded

    @property
    def best(self) -> str:
        """Of the best mean rank by score and by loss; of equal ones that with the higher score."""
        by_score = sorted(self.scores, key=lambda v: -self.scores[v])
        by_loss = sorted(self.losses, key=self.losses.__getitem__) or by_score
        return min(by_score, key=lambda v: by_score.index(v) + by_loss.index(v))

    @property
    def edges(self) -> list[str]:
        """The settings whose best value is the smallest or the largest that was tried: a wider grid may have better."""
        tried = dict[str, set[float]]()
        for variant in self.scores:
            for key, value in _numbers(variant).items():
                tried.setdefault(key, set()).add(value)
        best = _numbers(self.best)
        return [k for k, own in tried.items() if len(own) > 1 and best.get(k) in (min(own), max(own))]


def _numbers(variant: str) -> dict[str, float]:
    """The settings of a variant such as train.lr=0.004 that are numbers."""
    out = dict[str, float]()
    for part in variant.split("+"):
        key, _, value = part.partition("=")
        with contextlib.suppress(ValueError):
            out[key] = float(value)
    return out


def choices(results: Path) -> list[Choice]:
    """Scores of a results folder's grid."""
    found, curves = read(results)
    _dev_only(results, found)
    by: dict[str, dict[str, dict[str, float]]] = {}
    losses: dict[str, dict[str, list[float]]] = {}
    for c in curves:
        design, variant = _searched(c.design)
        if variant and c.metric.startswith(LOSSES):
            losses.setdefault(design, {}).setdefault(variant, []).append(float(c.mean[-1]))
        if variant and metrics.of(c.metric).alignment:
            by.setdefault(design, {}).setdefault(variant, {})[c.metric] = float(c.mean[-1])
    if not by:
        raise RecordError(f"{results}: holds no grid (runs such as clip_flow+train.lr=0.004-s0)")
    for design, variants in by.items():
        for variant, numbers in variants.items():
            if lacking := missing(numbers):
                raise RecordError(f"{results}: {design}+{variant} has no {', '.join(lacking)}")
    means = {design: {v: sum(parts) / len(parts) for v, parts in own.items()} for design, own in losses.items()}
    return [
        Choice(
            design,
            {variant: score(n) for variant, n in own.items()},
            means.get(design, {}) if set(own) <= set(means.get(design, {})) else {},
        )
        for design, own in by.items()
    ]


def _searched(name: str) -> tuple[str, str]:
    """A design's name without the settings that are searched, and these: those of training where there are any, as
    another size of a head is another design with a grid of its own."""
    design, variant = cell_of(name)
    parts = variant.split("+") if variant else []
    searched = [part for part in parts if part.startswith("train.")] or parts
    return "+".join([design, *(part for part in parts if part not in searched)]), "+".join(searched)


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
    print(f"{objective()}, and held-out loss; * is the best by both")
    width = max(len(choice.design) for choice in found)
    for choice in found:
        cells = [
            f"{v} {'*' if v == choice.best else ' '}{s:.3f}" + (f"/{choice.losses[v]:.3f}" if choice.losses else "")
            for v, s in choice.scores.items()
        ]
        wider = f"   at the edge of the grid: {', '.join(choice.edges)}" if choice.edges else ""
        print(f"{choice.design:{width}} " + "   ".join(cells) + wider)
    write(results / CHOSEN, {c.design: {**asdict(c), "best": c.best, "at_the_edge": c.edges} for c in found})
    print(results / CHOSEN)


if __name__ == "__main__":
    sys.exit(main())
