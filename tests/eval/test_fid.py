"""The Fréchet distance against clean-fid's on the same features."""

from __future__ import annotations

import numpy as np
import pytest

from headtohead.eval.fid import fid, moments


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
