"""How different the pictures of one prompt are: mean pairwise feature distance, over the pictures that count.

To call a model diverse, those that the judge accepts: wrong pictures differ in many ways, and counting them would
praise a model for its mistakes. To call it deterministic, all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pairwise(features: NDArray[np.float64], accepted: NDArray[np.bool_]) -> tuple[float, int]:
    """Features (prompts, pictures, d) and which pictures count -> mean over prompts, and how many prompts had a pair.

    NaN where no prompt has two accepted pictures.
    """
    means = []
    for x, keep in zip(features, accepted, strict=True):
        kept = x[keep]
        if len(kept) > 1:
            distance = np.linalg.norm(kept[:, None] - kept[None], axis=-1)
            means.append(distance[np.triu_indices(len(kept), 1)].mean())
    return (float(np.mean(means)), len(means)) if means else (float("nan"), 0)
