"""What raters' answers prove: guesses prove nothing, however few, and agreement of many proves much."""

from __future__ import annotations

import numpy as np
import pytest

from ablations.analysis.human_study.answers import Rate, table
from ablations.analysis.human_study.statistics import FEW, clustered


def crossed(raters: int, prompts: int) -> tuple[list[str], list[str]]:
    """Prompt and rater of each answer, where every rater answers every prompt."""
    pairs = [(f"p{k}", f"r{j}") for j in range(raters) for k in range(prompts)]
    return [p for p, _ in pairs], [r for _, r in pairs]


@pytest.mark.parametrize(
    ("raters", "prompts"), [(1, 2), (1, 3), (1, 4), (1, 7), (1, 8), (2, 2), (2, 3), (3, 4), (3, 12), (6, 6)]
)
def test_guesses_are_a_preference_in_one_of_twenty_studies_at_most(raters: int, prompts: int) -> None:
    draw, (of, by) = np.random.default_rng(0), crossed(raters, prompts)
    found = [clustered(draw.integers(0, 2, len(of)).tolist(), of, by) for _ in range(300)]
    assert sum(p <= 0.05 for *_, p in found) <= 0.06 * 300
    assert sum(not low <= 0.5 <= high for _, low, high, _ in found if low == low) <= 0.06 * 300


@pytest.mark.parametrize(
    ("raters", "prompts", "p"), [(1, 12, 2**-11), (12, 12, 2**-11), (8, 24, 2**-7), (1, 40, 2**-39)]
)
def test_many_clusters_that_agree_prove_much_and_not_everything(raters: int, prompts: int, p: float) -> None:
    mean, low, high, found = clustered([1.0] * raters * prompts, *crossed(raters, prompts))
    assert (mean, high) == (1.0, 1.0)
    assert found == pytest.approx(p)
    assert 0.5 < low < 1.0


def test_of_few_there_is_an_exact_p_and_no_interval() -> None:
    mean, low, _, p = clustered([1.0] * 12, *crossed(3, 4))
    assert (mean, p) == (1.0, 0.25)
    assert np.isnan(low)
    row = table([Rate("quality", ("a", "b"), mean, low, low, p, 12, 4, 3)]).rows[0]
    assert row[3:6] == ["100%", "–", "0.25"]


def test_who_never_can_tell_has_no_preference_and_no_certainty() -> None:
    mean, low, _, p = clustered([0.5] * 12, *crossed(1, 12))
    assert (mean, p) == (0.5, 1.0)
    assert np.isnan(low)


def test_one_rater_is_clustered_by_prompts() -> None:
    """Each prompt answered the same three times is worth one answer a prompt."""
    once = clustered([1, 1, 0, 1, 1, 1, 1], list("abcdefg"), ["r"] * 7)
    thrice = clustered([1, 1, 0, 1, 1, 1, 1] * 3, list("abcdefg") * 3, ["r"] * 21)
    assert np.allclose(once, thrice)
    assert np.isnan(clustered([1, 1], ["a", "a"], ["r", "r"])[1:]).all()


def test_intervals_cover_where_prompts_and_raters_differ() -> None:
    """300 studies of twelve prompts and eight raters without a true preference; independent clicks cover far less."""
    raters = 8
    assert raters >= FEW
    draw = np.random.default_rng(7)
    covered, plain = 0, 0
    for _ in range(300):
        leaning = draw.normal(0, 0.6, (12, 1, 1)) + draw.normal(0, 0.4, (1, raters, 1))
        x = (leaning + draw.normal(0, 1, (12, raters, 3)) > 0).astype(float).ravel()
        prompts = np.repeat(np.arange(12), raters * 3).tolist()
        by = np.tile(np.repeat(np.arange(raters), 3), 12).tolist()
        _, low, high, _ = clustered(x.tolist(), prompts, by)
        covered += low <= 0.5 <= high
        plain += abs(x.mean() - 0.5) <= 1.96 * x.std() / len(x) ** 0.5
    assert covered >= 0.92 * 300
    assert plain < 0.8 * 300
