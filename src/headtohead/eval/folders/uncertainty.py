"""Bootstrap intervals over prompts or pictures of one run; they do not contain the variance between trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Array = NDArray[np.float64]
DRAWS, SEED = 2000, 0
LABEL = "95 % bootstrap over prompts within one run; blind to the variance between trainings"
LABEL_PICTURES = "95 % bootstrap over pictures within one run; blind to the variance between trainings"


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def grouped_mean(values: Array, groups: NDArray[np.int64], weights: Array) -> Array:
    """The unweighted mean over groups of the mean over prompts, for each bootstrap draw: (draws,).

    values   (prompts,) scores
    groups   (prompts,) the group of each
    weights  (draws, prompts) how often a draw contains each prompt
    """
    means = []
    for group in np.unique(groups):
        own = weights[:, groups == group]
        total = own.sum(1)
        means.append((own @ values[groups == group]) / np.where(total == 0, np.nan, total))
    return np.nanmean(means, axis=0)


def drawn(groups: NDArray[np.int64], draws: int = DRAWS, seed: int = SEED) -> Array:
    """Bootstrap weights (draws, prompts): how often each prompt was drawn, within its own group (prompts,)."""
    rng, out = np.random.default_rng(seed), np.zeros((draws, len(groups)))
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        out[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=draws)
    return out


def over_prompts(values: Sequence[float], groups: Sequence[int] | None = None) -> Interval:
    """Interval of a mean over tasks of the mean over prompts; one task when no groups are given."""
    array = np.asarray(values, float)
    tasks = np.zeros(len(array), int) if groups is None else np.asarray(groups)
    return _middle(grouped_mean(array, tasks, drawn(tasks)))


def over_pictures(features: Array, statistic: Callable[[Array], float], draws: int, quiet: bool = True) -> Interval:
    """Interval of a statistic of a whole sample (n, d), such as a Fréchet distance: 1.96 standard errors to each side.

    Quantiles would need hundreds of draws, each as dear as the statistic, and drawing with repetition moves a Fréchet
    distance upwards; its spread it does not move.
    """
    rng, whole = np.random.default_rng(SEED), statistic(features)
    watched = tqdm(range(draws), unit="draw", disable=quiet, desc="interval")
    values = [statistic(features[rng.integers(len(features), size=len(features))]) for _ in watched]
    half = 1.96 * float(np.std(values, ddof=1))
    return Interval(whole - half, whole + half)


def paired(a: Sequence[float], b: Sequence[float], groups: Sequence[int]) -> tuple[float, Interval, float]:
    """Difference b - a on the same prompts, its interval, and the two-sided bootstrap p-value of no difference."""
    difference, tasks = np.asarray(b, float) - np.asarray(a, float), np.asarray(groups)
    values = grouped_mean(difference, tasks, drawn(tasks))
    estimate = float(grouped_mean(difference, tasks, np.ones((1, len(tasks))))[0])
    tail = min((values <= 0).mean(), (values >= 0).mean())
    return estimate, _middle(values), float(min(1.0, 2 * max(tail, 1 / len(values))))


def _middle(values: Array) -> Interval:
    low, high = np.nanquantile(values, (0.025, 0.975))
    return Interval(float(low), float(high))
