"""Statistics against scipy's own, against numbers worked by hand, and against studies whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as oracle

from ablations.analysis import statistics
from ablations.analysis.statistics import Verdict

STUDIES = 1000
DESIGNS = 6


def studies(seeds: int, truth: np.ndarray, spread: float, shared: float, rng: np.random.Generator) -> np.ndarray:
    """(studies, designs, seeds) scores: each design's truth, what seeds share, and what they do not."""
    common = shared * rng.standard_normal((STUDIES, 1, seeds))
    return truth[:, None] + common + spread * rng.standard_normal((STUDIES, len(truth), seeds))


def against_first(scores: np.ndarray) -> np.ndarray:
    return scores[:, 1:] - scores[:, :1]


def verdicts(differences: np.ndarray) -> np.ndarray:
    """(studies, comparisons), each study a family of its own."""
    return np.array(
        [
            [
                j.verdict
                for j in statistics.judge([statistics.difference(d) for d in study], [statistics.SMALLEST] * len(study))
            ]
            for study in differences
        ]
    )


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_intervals_and_p_values_are_scipys(n: int) -> None:
    a, b = np.random.default_rng(n).normal(0.4, 0.1, (2, n))
    d, told = statistics.paired(a, b), oracle.ttest_rel(a, b)
    assert d.p == pytest.approx(told.pvalue)
    assert (d.low, d.high) == pytest.approx(tuple(told.confidence_interval(0.95)))
    mean, low, high = statistics.interval(a, 0.9)
    assert (low, high) == pytest.approx(oracle.t.interval(0.9, n - 1, loc=a.mean(), scale=oracle.sem(a)))
    assert mean == pytest.approx(a.mean())


def test_an_interval_by_hand() -> None:
    d = statistics.difference([0.1, 0.2, 0.3])  # sd 0.1, t(2) 4.3027, g: 2 x 0.5642
    assert (d.effect, d.sd) == pytest.approx((0.2, 0.1))
    assert (d.low, d.high) == pytest.approx((0.2 - 0.24841, 0.2 + 0.24841), abs=1e-5)
    assert d.size == pytest.approx(2 * 0.5642, abs=1e-4)


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.02, 0.5]) == pytest.approx([1.0, 0.06, 1.0])
    assert statistics.holm([0.02, np.nan, 0.01]) == pytest.approx([0.02, np.nan, 0.02], nan_ok=True)
    assert statistics.holm([[0.2], [0.3]]) == pytest.approx(np.array([[0.2], [0.3]]))


def test_one_seed_has_no_interval_and_no_verdict() -> None:
    d = statistics.difference([0.4])
    assert np.isnan([d.low, d.high, d.p, d.sd, statistics.detectable(d.sd, 1)]).all()
    (judged,) = statistics.judge([d], [statistics.SMALLEST])
    assert (judged.verdict, judged.why) == (Verdict.UNDECIDED, "one seed has no interval")


def test_seeds_that_do_not_differ_at_all() -> None:
    assert statistics.difference([0.0, 0.0, 0.0]).p == 1
    d = statistics.paired([0.3, 0.4, 0.7], [0.2, 0.3, 0.6])  # equal but for rounding
    assert (d.p, d.sd, d.low) == (0, 0, d.high)
    assert np.isnan(d.size)


@pytest.mark.parametrize("n", [3, 5])
def test_the_detectable_difference_is_found_in_four_of_five_studies(n: int) -> None:
    rng, alpha = np.random.default_rng(7), 0.05 / 6
    d = statistics.detectable(0.03, n, alpha)
    share = (statistics.p_value(rng.normal(d, 0.03, (20_000, n))) <= alpha).mean()
    assert share == pytest.approx(0.8, abs=0.01)
    assert oracle.nct.cdf(oracle.t.ppf(1 - alpha / 2, n - 1), n - 1, d / 0.03 * n**0.5) == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("shared", [0.0, 0.05])
def test_intervals_cover_the_truth_as_often_as_they_say(n: int, shared: float) -> None:
    rng = np.random.default_rng(1)
    scores = studies(n, np.array([0.2, 0.35]), 0.03, shared, rng)
    for values, truth in ((scores[:, 0], 0.2), (scores[:, 1] - scores[:, 0], 0.15)):
        _, low, high = statistics.interval(values)
        assert 0.93 <= ((low <= truth) & (truth <= high)).mean() <= 0.97


@pytest.mark.parametrize("n", [3, 5])
def test_a_bootstrap_over_few_seeds_would_not(n: int) -> None:
    """Why t: the trial that the choice rests on, held."""
    rng = np.random.default_rng(2)
    values = rng.normal(0.2, 0.03, (STUDIES, n))
    drawn = np.take_along_axis(values[:, None], rng.integers(n, size=(STUDIES, 500, n)), -1).mean(-1)
    low, high = np.quantile(drawn, (0.025, 0.975), axis=1)
    assert ((low <= 0.2) & (high >= 0.2)).mean() < 0.9


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("shared", [0.0, 0.05])
def test_equal_designs_get_a_verdict_in_one_study_of_twenty(n: int, shared: float) -> None:
    rng = np.random.default_rng(3)
    found = verdicts(against_first(studies(n, np.full(DESIGNS, 0.4), 0.05, shared, rng)))
    assert (found != Verdict.UNDECIDED).any(1).mean() <= 0.066


@pytest.mark.parametrize("height", [0.02, 0.4])
def test_scores_that_are_counts_of_few_pictures_keep_the_rate_too(height: float) -> None:
    """Near the floor seeds are often equal to the picture, and an estimated spread is far too small."""
    rng = np.random.default_rng(4)
    found = verdicts(against_first(rng.binomial(120, height, (STUDIES, DESIGNS, 3)) / 120))
    assert (found != Verdict.UNDECIDED).any(1).mean() <= 0.066


@pytest.mark.parametrize("n", [3, 5])
def test_differences_of_twice_the_detectable_get_the_right_verdict(n: int) -> None:
    """At twice the detectable difference the power is .998 with 3 seeds and more with 5; 99 % leaves room for chance.

    Half of the claims are true and half are wrong, which keeps Holm at work.
    """
    tests, sd = DESIGNS - 1, 0.03 * 2**0.5
    d = 2 * statistics.detectable(sd, n, statistics.ALPHA / tests)
    truth = np.array([0.0, *(d if k % 2 else -d for k in range(tests))])
    right = [Verdict.SUPPORTED if t > 0 else Verdict.CONTRADICTED for t in truth[1:]]
    found = verdicts(against_first(studies(n, truth, 0.03, 0.02, np.random.default_rng(5))))
    assert (found == right).mean() >= 0.99
    wrong = (found != right) & (found != Verdict.UNDECIDED)
    assert wrong.sum() == 0


def test_a_difference_too_small_to_matter_stays_undecided_and_says_so() -> None:
    small = statistics.difference([0.0101, 0.0102, 0.0103])
    large = statistics.difference([0.025, 0.026, 0.027])
    near = statistics.difference([0.015, 0.025, 0.026, 0.025])
    judged = statistics.judge([small, large, near], [statistics.SMALLEST] * 3)
    assert [j.verdict for j in judged] == [Verdict.UNDECIDED, Verdict.SUPPORTED, Verdict.SUPPORTED]
    assert judged[0].why == "the difference is smaller than the smallest effect of interest, 0.02"
    assert judged[1].why == ""
    assert judged[2].why == "the interval reaches below the smallest effect of interest, 0.02"
    (alone,) = statistics.judge([statistics.difference([-0.2, 0.3, 0.1])], [statistics.SMALLEST])
    assert alone.why == "3 seeds would have shown 0.82 or more"
