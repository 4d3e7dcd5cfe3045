"""Inference over seeds: t intervals, paired differences, Holm's correction, detectable differences, verdicts.

The unit is the seed: scores vary more between trainings than between prompts, and prompts are the same for every
design, so intervals cover other seeds on the same prompts. A score is a mean over prompts; the difference of two scores
of one seed is therefore the mean of differences by prompt.

Differences are paired by seed. A seed fixes the order of the data and the noise of samples. Whether scores of two
designs are correlated by seed is unknown, since the same seed initializes networks of different shapes. The paired
interval is valid either way; without correlation it is wider than an unpaired one (with 3 seeds, t has 2 degrees of
freedom instead of 4). Choosing between them by looking at the data would be invalid.
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
    EQUIVALENT = "equivalent"  # the difference is smaller than a declared margin
    BY_CONSTRUCTION = "by construction"  # the design makes it so: nothing is tested
    NOT_ASSESSABLE = "not assessable"  # a design did not learn what the claim compares
    UNDECIDED = "undecided"
    NO_RECORDS = "no records"


def spread(x: Numbers) -> Numbers:
    """Standard deviation over the last axis; exactly 0 for equal values, despite rounding."""
    sd = np.asarray(x.std(-1, ddof=1))
    return np.where(sd < ROUNDING, 0.0, sd)


def interval(values: ArrayLike, level: float = LEVEL) -> tuple[Numbers, Numbers, Numbers]:
    """Mean and bounds of the t interval over the last axis; bounds are NaN for a single value."""
    x = np.asarray(values, float)
    n, mean = x.shape[-1], x.mean(-1)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = special.stdtrit(n - 1, (1 + level) / 2) * spread(x) / n**0.5
    return mean, mean - half, mean + half


def p_value(values: ArrayLike) -> Numbers:
    """p-value of the two-sided t test against 0, over the last axis; for equal values 0, or 1 if they are 0."""
    x = np.asarray(values, float)
    n, mean = x.shape[-1], x.mean(-1)
    if n < 2:
        return np.full_like(mean, np.nan)
    error = spread(x) / n**0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(np.abs(mean) < ROUNDING, 0.0, np.abs(mean) / error)
    return np.asarray(2 * special.stdtr(n - 1, -t))


def holm(p: ArrayLike) -> Numbers:
    """Holm's correction of p-values over the last axis; NaN (not tested) is ignored and stays NaN."""
    given = np.asarray(p, float)
    tested = (~np.isnan(given)).sum(-1, keepdims=True)
    rank = np.argsort(given, axis=-1)  # NaN last
    times = np.maximum(tested - np.arange(given.shape[-1]), 1)
    stepped = np.maximum.accumulate(np.minimum(1.0, np.take_along_axis(given, rank, -1) * times), axis=-1)
    out = np.empty_like(given)
    np.put_along_axis(out, rank, stepped, -1)
    return out


def detectable(sd: float, n: int, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true difference that a paired two-sided t test of n seeds detects with the given power."""
    if n < 2:
        return float("nan")
    return float(special.nctdtrinc(n - 1, 1 - power, special.stdtrit(n - 1, 1 - alpha / 2)) * sd / n**0.5)


@dataclass(frozen=True)
class Difference:
    """A mean over seeds, tested against 0; bounds and p are NaN for a single seed."""

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
    """The mean of values, one for each seed, tested against 0."""
    x = np.asarray(values, float)
    n, nan = len(x), float("nan")
    if not n:
        return Difference(nan, nan, nan, nan, 0, nan, nan)
    mean, low, high = (float(v) for v in interval(x))
    sd = float(spread(x)) if n > 1 else nan
    size = mean / sd * _unbiased(n - 1) if n > 2 and sd > 0 else nan
    return Difference(mean, low, high, float(p_value(x)), n, sd, size)


def paired(a: ArrayLike, b: ArrayLike) -> Difference:
    """The difference a - b, paired: both in the same order of seeds."""
    return difference(np.asarray(a, float) - np.asarray(b, float))


def _unbiased(df: int) -> float:
    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / (df / 2) ** 0.5)


def equivalence(d: Difference, margin: float) -> float:
    """p-value of the two one-sided t tests that a true difference lies within ±margin (TOST); NaN for one seed."""
    if d.n < 2:
        return float("nan")
    error = d.sd / d.n**0.5
    if error == 0:
        return 0.0 if abs(d.effect) < margin else 1.0
    return float(special.stdtr(d.n - 1, -(margin - abs(d.effect)) / error))


@dataclass(frozen=True)
class Judged:
    verdict: Verdict
    p_holm: float
    mdd: float  # at the first of Holm's steps: seen with this power whatever the other comparisons turn out to be
    why: str


def judge(family: Sequence[Difference], margins: Sequence[float]) -> list[Judged]:
    """Verdicts on differences that are positive where a claim says so, with at most ALPHA false ones in the family.

    Supported or contradicted: the mean is positive or negative with a corrected p of at most ALPHA, and at least as
    large as the margin. If designs are equal, every verdict is false; Holm's correction limits their rate. The margin
    applies to the mean and not to the interval: the paper claims "better", not "better by two points", which few seeds
    could show. It only excludes negligible differences; `why` states whether the interval exceeds it. A difference
    smaller than the margin is undecided, not contradicted, and `why` states it.
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
