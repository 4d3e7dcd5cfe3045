"""Random numbers as a pure function of where they are needed.

A scene is `f(seed, index)`: no generator is carried along, so any batch, worker or resumed run draws the same scene
for the same index, in any order. The mixing function is splitmix64's finaliser.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


def keys(seed: int, index: NDArray[np.int64], *salts: int) -> NDArray[np.uint64]:
    """One 64-bit key for each index.

    seed   of the stream
    index  (n,)
    salts  other values give independent keys
    """
    with np.errstate(over="ignore"):
        state = _mix(np.asarray(index).astype(np.uint64) + _GOLDEN)
        for salt in (seed, *salts):
            state = _mix(state ^ (np.uint64(salt & 0xFFFFFFFFFFFFFFFF) * _GOLDEN + _MIX_1))
    return state


def uniform(key: NDArray[np.uint64], *shape: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) of shape (len(key), *shape)."""
    count = int(np.prod(shape)) if shape else 1
    with np.errstate(over="ignore"):
        lanes = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
        bits = _mix(key[:, None] + lanes[None])
    return ((bits >> np.uint64(11)) * 2.0**-53).reshape(len(key), *shape).astype(np.float64, copy=False)


def choose(u: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Turn uniform numbers into random indices (...).

    u        (...) in [0, 1)
    weights  (..., k), proportional to the probabilities of the k indices
    """
    edges = np.cumsum(weights / weights.sum(-1, keepdims=True), -1)
    return np.minimum((u[..., None] >= edges).sum(-1), edges.shape[-1] - 1)
