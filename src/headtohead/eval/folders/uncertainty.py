"""Bootstrap intervals over prompts or images of one run; they do not include the variance between trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Array = NDArray[np.float64]
RESAMPLES, SEED = 2000, 0
LABEL = "95 % bootstrap over prompts within one run; blind to the variance between trainings"
LABEL_PICTURES = "95 % bootstrap over pictures within one run; blind to the variance between trainings"


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def grouped_mean(values: Array, groups: NDArray[np.int64], weights: Array) -> Array:
    """The unweighted mean over groups of the mean over prompts, for each bootstrap resample: (resamples,).

    values   (prompts,) scores
    groups   (prompts,) group of each prompt
    weights  (resamples, prompts) how often a resample contains each prompt
    """
    means = []
    for group in np.unique(groups):
        own = weights[:, groups == group]
        total = own.sum(1)
        means.append((own @ values[groups == group]) / np.where(total == 0, np.nan, total))
    return np.nanmean(means, axis=0)


def bootstrap_weights(groups: NDArray[np.int64], resamples: int = RESAMPLES, seed: int = SEED) -> Array:
    """How often each prompt is drawn when prompts are resampled within their group: (resamples, prompts).

    groups     (prompts,) group of each prompt
    resamples  how many
    seed       of the random numbers
    """
    rng, out = np.random.default_rng(seed), np.zeros((resamples, len(groups)))
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        out[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=resamples)
    return out


def over_prompts(values: Sequence[float], groups: Sequence[int] | None = None) -> Interval:
    """Interval of the mean over groups of the mean over prompts.

    values  scores of prompts
    groups  group of each prompt; one group for all when not given
    """
    array = np.asarray(values, float)
    tasks = np.zeros(len(array), int) if groups is None else np.asarray(groups)
    return _interval(grouped_mean(array, tasks, bootstrap_weights(tasks)))


def over_pictures(features: Array, statistic: Callable[[Array], float], resamples: int, quiet: bool = True) -> Interval:
    """Interval of a statistic of a whole sample, such as a Fréchet distance: 1.96 standard errors to each side.

    Quantiles are not used: they need hundreds of resamples, each as expensive as the statistic, and resampling with
    repetition biases a Fréchet distance upwards, though not its standard error.

    features   (n, d)
    statistic  of such an array
    resamples  of the bootstrap
    quiet      no progress bar
    """
    rng, whole = np.random.default_rng(SEED), statistic(features)
    bar = tqdm(range(resamples), unit="resample", disable=quiet, desc="interval")
    values = [statistic(features[rng.integers(len(features), size=len(features))]) for _ in bar]
    half = 1.96 * float(np.std(values, ddof=1))
    return Interval(whole - half, whole + half)


def paired(a: Sequence[float], b: Sequence[float], groups: Sequence[int]) -> tuple[float, Interval, float]:
    """Mean difference b - a, its interval, and the two-sided bootstrap p-value of no difference.

    a       scores of prompts
    b       scores of the same prompts
    groups  group of each prompt
    """
    difference, tasks = np.asarray(b, float) - np.asarray(a, float), np.asarray(groups)
    values = grouped_mean(difference, tasks, bootstrap_weights(tasks))
    estimate = float(grouped_mean(difference, tasks, np.ones((1, len(tasks))))[0])
    tail = min((values <= 0).mean(), (values >= 0).mean())
    return estimate, _interval(values), float(min(1.0, 2 * max(tail, 1 / len(values))))


def _interval(values: Array) -> Interval:
    low, high = np.nanquantile(values, (0.025, 0.975))
    return Interval(float(low), float(high))
