"""Inference over seeds: t intervals, paired differences, Holm's correction, detectable differences, verdicts.

The seed is the unit: another training moves a score more than other prompts would, and prompts are the same for every
design, so an interval says what other seeds would give on the same exam. A score is a mean over prompts, therefore the
difference of two scores of one seed is already the mean of its differences prompt by prompt; what records of single
prompts add is the proof that the prompts were the same.

Differences are paired by seed. A seed fixes the order of the data and the noise that samples start from; whether that
makes the scores of two designs rise and fall together is not known and may well not be so, for the same number seeds
networks of other shapes. The paired interval holds either way. Where nothing is shared it is wider than an unpaired
one would be (with 3 seeds t has 2 degrees of freedom instead of 4), and choosing between them by looking at the data
would cost more honesty than it saves seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Numbers = NDArray[np.float64]
LEVEL = 0.95  # of intervals
ALPHA = 0.05  # the rate of false verdicts in a family of comparisons
POWER = 0.8
SMALLEST = 0.02  # smallest effect of interest, on scores from 0 to 1 and on logarithms: 2 points, or 2 percent
ROUNDING = 1e-12
CONSTANT = "same in every seed"  # in place of an interval without width and of its p-value


class Verdict(StrEnum):
    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    NO_RECORDS = "no records"


def spread(x: Numbers) -> Numbers:
    """Standard deviation over the last axis; equal values have none, whatever rounding says."""
    sd = np.asarray(x.std(-1, ddof=1))
    return np.where(sd < ROUNDING, 0.0, sd)


def interval(values: ArrayLike, level: float = LEVEL) -> tuple[Numbers, Numbers, Numbers]:
    """Mean and bounds of the t interval over the last axis; one value has no bounds."""
    x = np.asarray(values, float)
    n, mean = x.shape[-1], x.mean(-1)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = special.stdtrit(n - 1, (1 + level) / 2) * spread(x) / n**0.5
    return mean, mean - half, mean + half


def p_value(values: ArrayLike) -> Numbers:
    """Two-sided t test over the last axis of a mean of 0; without any spread the limit: 0, or 1 where the mean is 0."""
    x = np.asarray(values, float)
    n, mean = x.shape[-1], x.mean(-1)
    if n < 2:
        return np.full_like(mean, np.nan)
    error = spread(x) / n**0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(np.abs(mean) < ROUNDING, 0.0, np.abs(mean) / error)
    return np.asarray(2 * special.stdtr(n - 1, -t))


def holm(p: ArrayLike) -> Numbers:
    """p-values over the last axis, corrected for their number; NaN was not tested, does not count and stays."""
    given = np.asarray(p, float)
    tested = (~np.isnan(given)).sum(-1, keepdims=True)
    rank = np.argsort(given, axis=-1)  # NaN last
    times = np.maximum(tested - np.arange(given.shape[-1]), 1)
    stepped = np.maximum.accumulate(np.minimum(1.0, np.take_along_axis(given, rank, -1) * times), axis=-1)
    out = np.empty_like(given)
    np.put_along_axis(out, rank, stepped, -1)
    return out


def detectable(sd: float, n: int, alpha: float = ALPHA, power: float = POWER) -> float:
    """The true difference that a paired two-sided t test of n seeds finds with this power, given the spread."""
    if n < 2:
        return float("nan")
    return float(special.nctdtrinc(n - 1, 1 - power, special.stdtrit(n - 1, 1 - alpha / 2)) * sd / n**0.5)


@dataclass(frozen=True)
class Difference:
    """A mean over seeds against 0; bounds and p are NaN where one seed is all there is."""

    effect: float
    low: float
    high: float
    p: float
    n: int
    sd: float
    size: float  # in standard deviations over seeds: Hedges' g, without the bias that few seeds give Cohen's d

    @property
    def constant(self) -> bool:
        """The same in every seed, as what holds by construction is: there is no scatter that a test could be against.

        A p-value of something else, of the other comparisons of a claim, may stand beside it.
        """
        return self.n > 1 and self.sd == 0 and self.p in (0.0, 1.0)


def difference(values: ArrayLike) -> Difference:
    """Of values that should be 0 if there were nothing, one a seed."""
    x = np.asarray(values, float)
    n, nan = len(x), float("nan")
    if not n:
        return Difference(nan, nan, nan, nan, 0, nan, nan)
    mean, low, high = (float(v) for v in interval(x))
    sd = float(spread(x)) if n > 1 else nan
    size = mean / sd * _unbiased(n - 1) if n > 2 and sd > 0 else nan
    return Difference(mean, low, high, float(p_value(x)), n, sd, size)


def paired(a: ArrayLike, b: ArrayLike) -> Difference:
    """a - b, of the same seeds in the same order."""
    return difference(np.asarray(a, float) - np.asarray(b, float))


def _unbiased(df: int) -> float:
    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / (df / 2) ** 0.5)


@dataclass(frozen=True)
class Judged:
    verdict: Verdict
    p_holm: float
    mdd: float  # at the first of Holm's steps: seen with this power whatever the other comparisons turn out to be
    why: str


def judge(family: Sequence[Difference], margins: Sequence[float]) -> list[Judged]:
    """Verdicts on differences that are positive where a claim says so, with at most ALPHA false ones in the family.

    Supported, contradicted: the mean lies on the claimed or on the other side of 0 with a corrected p of at most
    ALPHA, and is at least the margin. So with designs that are equal any verdict at all is false, and Holm holds the
    rate. The margin applies to the mean and not to the whole interval: the paper says "better", not "better by two
    points", and few seeds could hardly ever show the latter; it only keeps a difference that nobody would notice from
    counting as a finding, and `why` says whether the interval clears it. That two designs differ by less than
    the margin is no contradiction either: it stays undecided, and `why` says so.
    """
    p = holm([d.p for d in family])
    tests = max(1, int((~np.isnan(p)).sum()))
    out = []
    for d, margin, corrected in zip(family, margins, p, strict=True):
        mdd = detectable(d.sd, d.n, ALPHA / tests)
        verdict, why = _verdict(d, float(corrected), margin, mdd)
        out.append(Judged(verdict, float(corrected), mdd, why))
    return out


def _verdict(d: Difference, p_holm: float, margin: float, mdd: float) -> tuple[Verdict, str]:
    if np.isnan(d.p):
        return Verdict.UNDECIDED, "one seed has no interval"
    inside = -margin < d.low and d.high < margin
    if p_holm <= ALPHA and abs(d.effect) >= margin:
        clear = min(abs(d.low), abs(d.high)) >= margin
        why = "" if clear else f"the interval reaches below the smallest effect of interest, {margin:g}"
        return (Verdict.SUPPORTED if d.effect > 0 else Verdict.CONTRADICTED), why
    if inside:
        return Verdict.UNDECIDED, f"the difference is smaller than the smallest effect of interest, {margin:g}"
    if p_holm <= ALPHA:
        return Verdict.UNDECIDED, f"a difference below the smallest effect of interest, {margin:g}, by its mean"
    if d.p <= ALPHA:
        return Verdict.UNDECIDED, "not beyond chance once corrected for the number of comparisons"
    return Verdict.UNDECIDED, f"{d.n} seeds would have shown {mdd:.2g} or more"
