"""Curves of metrics from records, grouped by sweep, design and seed. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headtohead.config.design import DESIGNS, PAPER
from headtohead.records.json_files import Damage, RecordError
from headtohead.records.read import Run, runs
from headtohead.records.read import design_of as design_of

if TYPE_CHECKING:
    from pandas import DataFrame

Numbers = NDArray[np.float64]
T = TypeVar("T", bound=Hashable)
STEPS, SECONDS = "steps", "seconds"
FINISHED = "finished"
FLOPS, FLOPS_TOTAL = "flops", "flops_total"  # of head and language model; with encoders and decoder too
PREFIXES = {"G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}


class Terms(NamedTuple):
    """Judge, mode and number of pictures of a value; values with other terms are not comparable."""

    judge: str
    mode: str
    n: int


@dataclass(frozen=True)
class Curve:
    """One metric of one design in one sweep, over seeds with equal steps."""

    sweep: str
    design: str
    representation: str
    metric: str
    seeds: tuple[int, ...]
    steps: NDArray[np.int64]  # (P,)
    values: Numbers  # (seeds, P); NaN where a seed has no value at the step, which happens for diversity
    relative: Numbers  # (seeds, P) as shares of the representation's ceiling; NaN where there is none
    n: NDArray[np.int64]  # (P,) pictures of a point of one seed
    spent: dict[str, Numbers]  # (seeds, P) by measure of cost: steps, seconds of training, FLOPs
    terms: tuple[tuple[Terms | None, ...], ...]  # (seeds, P)

    @property
    def mean(self) -> Numbers:
        out: Numbers = self.values.mean(0)
        return out

    @property
    def flops(self) -> Numbers:
        """FLOPs at each point: a mean over seeds, which differ by some percent, as captions differ in length."""
        out: Numbers = self.spent[FLOPS].mean(0)
        return out


def by_design(found: Iterable[Run]) -> dict[tuple[str, str], list[Run]]:
    """Runs by sweep and design."""
    out: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        out.setdefault((run.sweep, design_of(run)), []).append(run)
    return out


def counted(own: Sequence[Run]) -> list[Run]:
    """The runs that represent a design: the finished ones, or all of them while none is finished."""
    return [run for run in own if run.state["state"] == FINISHED] or list(own)


def order(design: str) -> tuple[bool, int, str]:
    """Sort key: the paper's designs, then others in the order of their declaration, each followed by its variants."""
    name = design.split("+")[0]
    return design not in PAPER, (list(DESIGNS).index(name) if name in DESIGNS else len(DESIGNS)), design


_ACCOUNTS = {STEPS: "step", FLOPS: "flops", FLOPS_TOTAL: "flops_total", SECONDS: "seconds"}


def curves(found: list[Run]) -> list[Curve]:
    """Every metric of every design, at the steps that all its representative seeds have reached."""
    out = [c for own in by_design(found).values() for c in _of_design(counted(own))]
    return sorted(out, key=lambda c: (c.sweep, order(c.design), c.metric))


def _of_design(own: Sequence[Run]) -> Iterator[Curve]:
    """The curves of runs that differ only in their seeds."""
    measured = {run: lines for run in own if (lines := run.curve())}
    runs = sorted(measured, key=lambda r: r.seed)
    _alike([run for run in own if run in measured])
    lines = [line for run in runs for line in measured[run]]
    if not lines:
        return
    seed = np.repeat(np.arange(len(runs)), [len(measured[run]) for run in runs])
    steps, at = np.unique(_column(lines, "step", np.int64), return_inverse=True)
    reached = np.zeros((len(runs), len(steps)), bool)
    reached[seed, at] = True
    names, metric = _coded(map(itemgetter("metric"), lines))
    texts = [[str(line.get(key, "")) for line in lines] for key in ("judge", "mode")]
    kinds, kind = _coded(zip(*texts, map(itemgetter("n"), lines), strict=True))
    terms = [*map(Terms._make, kinds), None]  # None: the record has no such line
    shape = (len(names), *reached.shape)
    values, relative, coded = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, -1)
    values[metric, seed, at] = _column(lines, "value")
    relative[metric, seed, at] = _column(lines, "relative")
    coded[metric, seed, at] = kind
    spent = {name: np.full(reached.shape, np.nan) for name in _ACCOUNTS}
    for name, key in _ACCOUNTS.items():
        spent[name][seed[::-1], at[::-1]] = _column(lines, key)[::-1]  # of several lines of a step, the first is used
    same: dict[bytes, dict[str, Numbers]] = {}  # most metrics of a design share their steps
    for k, name in enumerate(names):
        keep = reached.all(0) & (coded[k] >= 0).any(0)
        if not keep.any():
            continue
        if (key := keep.tobytes()) not in same:
            same[key] = {a: v[:, keep] for a, v in spent.items() if not np.isnan(v[:, keep]).any()}
        codes = coded[k][:, keep]
        first = codes[(codes >= 0).argmax(0), np.arange(codes.shape[1])]
        yield Curve(
            runs[0].sweep,
            design_of(runs[0]),
            runs[0].config.get("design", {}).get("representation", ""),
            name,
            tuple(run.seed for run in runs),
            steps[keep],
            values[k][:, keep],
            relative[k][:, keep],
            np.array([kinds[c][2] for c in first]),
            same[key],
            tuple(tuple(terms[c] for c in row) for row in codes.tolist()),
        )


def _alike(own: Sequence[Run]) -> None:
    """Raise if runs of one design differ in more than their seed, or have the same seed."""
    settings = [{k: v for k, v in run.config.items() if k not in ("seed", "hash")} for run in own]
    for k, run in enumerate(own):
        if settings[k] != settings[0]:
            differ = {*settings[0], *settings[k]}
            keys = ", ".join(sorted(key for key in differ if settings[0].get(key) != settings[k].get(key)))
            raise RecordError(
                f"{run.folder}: its settings differ from {own[0].name}'s ({keys}): seeds of one design share them"
            )
        if run.seed in [other.seed for other in own[:k]]:
            raise RecordError(f"{run.folder}: seed {run.seed} of {design_of(run)} stands in another folder too")


def _column(lines: Iterable[dict[str, Any]], key: str, kind: type = float) -> NDArray[Any]:
    return np.array([line.get(key) for line in lines], kind)


def _coded(values: Iterable[T]) -> tuple[list[T], NDArray[np.int64]]:
    """Distinct values in order of appearance, and the index of each value among them."""
    places: dict[T, int] = {}
    coded = np.array([places.setdefault(value, len(places)) for value in values])
    return list(places), coded


def frame(found: Sequence[Curve]) -> DataFrame:
    """Curves as a pandas frame with columns of `headtohead.load(...).curves`: a row for each metric, seed and step.

    Rows are in the order of the curves, their seeds and steps; `value` is NaN and `n` 0 where a seed has no number.
    """
    from pandas import Categorical, DataFrame  # takes most of a second to import, and figures need none

    numbers: dict[str, Callable[[Curve], ArrayLike]] = {
        "seed": lambda c: np.array(c.seeds)[:, None],
        "step": lambda c: c.steps,
        "flops": lambda c: c.spent[FLOPS],
        "flops_total": lambda c: c.spent.get(FLOPS_TOTAL, np.nan),
        "value": lambda c: c.values,
        "relative": lambda c: c.relative,
        "n": lambda c: [[terms.n if terms else 0 for terms in row] for row in c.terms],
    }
    columns, sizes = dict[str, Any](), [c.values.size for c in found]
    for key in ("sweep", "design", "metric"):
        different, codes = _coded(map(attrgetter(key), found))
        columns[key] = Categorical.from_codes(np.repeat(codes, sizes), different)
    for key, pick in numbers.items():
        columns[key] = np.concatenate([np.broadcast_to(pick(c), c.values.shape).ravel() for c in found])
    return DataFrame(columns)


def read(results: str | Path, damage: Damage | None = None) -> tuple[list[Run], list[Curve]]:
    """Every run of a results folder, and their curves; raises if there are none.

    results  a results folder, a sweep's or a run's
    damage   if given, receives damaged files, and the rest is read; otherwise the first damaged file is an error
    """
    found = runs(results, damage)
    measured = curves(found)
    if not measured:
        named = "; ".join(f"{path}: {wrong}" for path, wrong in (damage or {}).items())
        raise RecordError(named or f"{results}: its runs have no points yet")
    return found, measured


def reached(curve: Curve, target: float) -> tuple[float, float] | None:
    """Steps and FLOPs at which the mean over seeds first reaches a target, between points on a straight line."""
    above = np.flatnonzero(curve.mean >= target)
    if not len(above):
        return None
    k = int(above[0])
    if k == 0:
        return float(curve.steps[0]), float(curve.flops[0])
    low, high = curve.mean[k - 1], curve.mean[k]
    share = (target - low) / (high - low)
    steps = curve.steps[k - 1] + share * (curve.steps[k] - curve.steps[k - 1])
    return float(steps), float(curve.flops[k - 1] + share * (curve.flops[k] - curve.flops[k - 1]))
