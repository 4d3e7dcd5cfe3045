"""Mean, interval and p-value of preferences that are clustered by prompt and by rater.

Answers to one prompt are correlated, and so are answers of one rater: hundreds of answers to twelve prompts by three
people are not hundreds of independent ones. The variance is that of Cameron, Gelbach and Miller for two-way clustering:
by prompt, plus by rater, minus by both, and at least each of the first two. The t distribution has the degrees of
freedom of the smaller number of clusters. One rater's answers are clustered by prompt and hold for that rater only.

A few clusters that agree by chance have little or no variance. Therefore the p-value is at least that of an exact test
which flips the sign of each cluster, and the interval is at least as wide as this p-value implies.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy import special

from ablations.analysis.curves import Numbers
from ablations.analysis.statistics import LEVEL

FEW = 6  # clusters; fewer cannot reach p = 0.05 even if all agree, so no interval is given
NAN = float("nan")


def clustered(
    scores: Sequence[float], prompts: Sequence[str], raters: Sequence[str]
) -> tuple[float, float, float, float]:
    """Mean, bounds of its interval, and the p-value against one half; NaN with too few clusters.

    scores   of answers: 1 first design, 0 second, 0.5 tie
    prompts  of the answers
    raters   of the answers
    """
    x = np.asarray(scores, float)
    mean, ways = float(x.mean()), [_numbered(w) for w in (prompts, raters) if len(set(w)) > 1]
    if not ways:
        return mean, NAN, NAN, NAN
    few, off = min(int(w.max()) + 1 for w in ways), abs(mean - 0.5)
    error, exact = _error(x - mean, ways), max(_sign_flips(x - 0.5, w) for w in ways)
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
    """Variance of the mean: squared sums of clusters, corrected for the number of clusters."""
    sums = np.bincount(cluster, residuals)
    return float((sums**2).sum() / len(residuals) ** 2 * len(sums) / (len(sums) - 1))


def _sign_flips(deviations: Numbers, cluster: Numbers) -> float:
    """Two-sided p-value of the exact sign-flip test of clusters.

    Sums of clusters are multiples of one half, so the distribution over all sign flips can be computed exactly.
    """
    sizes = np.rint(2 * np.abs(np.bincount(cluster, deviations))).astype(int)
    reached, chance = int(np.rint(2 * abs(deviations.sum()))), np.ones(1)  # of sums from -k to k
    for size in sizes:
        wider = np.zeros(len(chance) + 2 * size)
        wider[: len(chance)] += chance / 2
        wider[2 * size :] += chance / 2
        chance = wider
    sums = np.abs(np.arange(len(chance)) - len(chance) // 2)
    return float(min(1.0, chance[sums >= reached].sum()))
