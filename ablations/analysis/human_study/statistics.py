"""A preference's mean, interval and p-value where answers come in clusters, of prompts and of raters.

Answers to one prompt are alike, and so are those of one rater: hundreds of clicks on twelve prompts by three people
are no hundreds of independent answers. The variance is Cameron, Gelbach and Miller's for two ways of clustering, by
prompt plus by rater less by both, and never less than by either alone; t has the degrees of freedom of the fewer
clusters. One rater's answers are clustered by prompts and speak for that rater only.

Few clusters that agree have little or no variance, whatever the truth: two guesses are equal every other time. So the
p-value is never below that of an exact test, in which every cluster as a whole could as well have preferred the other
design, and the interval is never narrower than that p-value says.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy import special

from ablations.analysis.curves import Numbers
from ablations.analysis.statistics import LEVEL

FEW = 6  # clusters; of fewer, even unanimous ones prove nothing at one in twenty, and there is no interval
NAN = float("nan")


def clustered(
    scores: Sequence[float], prompts: Sequence[str], raters: Sequence[str]
) -> tuple[float, float, float, float]:
    """Mean, bounds of its interval and the p-value of one half; NaN where there are too few clusters for any."""
    x = np.asarray(scores, float)
    mean, ways = float(x.mean()), [_numbered(w) for w in (prompts, raters) if len(set(w)) > 1]
    if not ways:
        return mean, NAN, NAN, NAN
    few, off = min(int(w.max()) + 1 for w in ways), abs(mean - 0.5)
    error, exact = _error(x - mean, ways), max(_by_signs(x - 0.5, w) for w in ways)
    p = max(exact, float(2 * special.stdtr(few - 1, -off / error)) if error > 0 else 0.0)
    if off > 0:
        error = max(error, off / -float(special.stdtrit(few - 1, p / 2))) if p < 1 else np.inf
    if few < FEW or error == 0:
        return mean, NAN, NAN, p
    half = float(special.stdtrit(few - 1, (1 + LEVEL) / 2)) * error
    return mean, max(0.0, mean - half), min(1.0, mean + half), p


def _numbered(cluster: Sequence[Hashable]) -> Numbers:
    index = {name: k for k, name in enumerate(dict.fromkeys(cluster))}
    return np.array([index[c] for c in cluster])


def _error(residuals: Numbers, ways: Sequence[Numbers]) -> float:
    single = [_variance(residuals, w) for w in ways]
    if len(ways) == 1:
        return float(single[0] ** 0.5)
    both = _numbered(list(zip(*(w.tolist() for w in ways), strict=True)))
    return float(max(*single, sum(single) - _variance(residuals, both)) ** 0.5)


def _variance(residuals: Numbers, cluster: Numbers) -> float:
    """Of the mean: squares of the clusters' sums, with the usual correction for their number."""
    sums = np.bincount(cluster, residuals)
    return float((sums**2).sum() / len(residuals) ** 2 * len(sums) / (len(sums) - 1))


def _by_signs(leaning: Numbers, cluster: Numbers) -> float:
    """How often clusters that each turn their lean by a coin's toss lean as far together, either way.

    Every lean is a whole number of halves, so that the sums of all tosses can be counted.
    """
    leans = np.rint(2 * np.abs(np.bincount(cluster, leaning))).astype(int)
    reached, chance = int(np.rint(2 * abs(leaning.sum()))), np.ones(1)  # of sums from -k to k
    for lean in leans:
        wider = np.zeros(len(chance) + 2 * lean)
        wider[: len(chance)] += chance / 2
        wider[2 * lean :] += chance / 2
        chance = wider
    sums = np.abs(np.arange(len(chance)) - len(chance) // 2)
    return float(min(1.0, chance[sums >= reached].sum()))
