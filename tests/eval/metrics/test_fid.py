"""The Fréchet distance against clean-fid's on the same features."""

from __future__ import annotations

import numpy as np
import pytest

from headtohead.eval.metrics.fid import Reference, fid, infinity, moments


@pytest.mark.filterwarnings("ignore")  # clean-fid's own use of scipy
@pytest.mark.parametrize("number", [40, 500])
def test_agrees_with_clean_fid(number: int) -> None:
    from cleanfid.fid import frechet_distance

    rng = np.random.default_rng(0)
    mix = rng.normal(size=(32, 32)) / 6
    a, b = rng.normal(size=(number, 32)) @ mix, rng.normal(size=(900, 32)) @ mix.T + 0.3
    assert fid(a, b) == pytest.approx(frechet_distance(*moments(a), *moments(b)), abs=1e-3)


def test_is_zero_on_itself_and_grows_with_distance() -> None:
    x = np.random.default_rng(1).normal(size=(300, 8))
    assert fid(x, x) == pytest.approx(0, abs=1e-9)
    assert fid(x, x + 2) == pytest.approx(32, rel=1e-6)


@pytest.mark.parametrize("number", [20, 200])
def test_both_forms_give_one_distance(number: int) -> None:
    """Fewer samples than dimensions take the small form; it is the same number."""
    rng = np.random.default_rng(2)
    reference, sample = rng.normal(size=(500, 64)), rng.normal(size=(number, 64)) + 0.2
    (mean_a, a), (mean_b, b) = moments(reference), moments(sample)
    offset = mean_a - mean_b
    roots = np.sqrt(np.clip(np.linalg.eigvals(a @ b).real, 0, None)).sum()
    plain = offset @ offset + np.trace(a) + np.trace(b) - 2 * roots
    assert Reference.of(reference).distance(sample) == pytest.approx(plain, abs=1e-5)


def test_infinity_takes_the_bias_of_few_samples_out() -> None:
    rng = np.random.default_rng(3)
    reference = Reference.of(rng.normal(size=(40_000, 16)))
    sample = rng.normal(size=(400, 16))
    assert reference.distance(sample) > 0.15
    assert abs(infinity(reference, sample)) < 0.08
