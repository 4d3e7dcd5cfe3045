"""Relations between boxes, by GenEval's rule; shared by the world, which draws them, and the scorers, which check them.

Boxes are (x0, y0, x1, y1) with y pointing down, along the last axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RELATIONS = ("left of", "right of", "above", "below")  # opposite pairs: index ^ 1 turns one around

SHRINK = 0.1  # how much of both boxes' extents an offset has to exceed before it counts
ALONG = 0.5  # how far along an axis the direction must point (so a diagonal can satisfy two relations)
STILL = 1e-3  # offsets below this are no relation


def relations(box_a: ArrayLike, box_b: ArrayLike) -> NDArray[np.bool_]:
    """Which of RELATIONS hold for "a <relation> b": (..., 4).

    box_a  (..., 4) as x0, y0, x1, y1
    box_b  (..., 4)
    """
    a, b = np.asarray(box_a), np.asarray(box_b)
    precision = np.result_type(a, b, np.float32)
    a, b = a.astype(precision), b.astype(precision)
    centre_a, centre_b = (a[..., :2] + a[..., 2:]) / 2, (b[..., :2] + b[..., 2:]) / 2
    span_a, span_b = np.abs(a[..., 2:] - a[..., :2]), np.abs(b[..., 2:] - b[..., :2])
    offset = centre_a - centre_b
    shrunk = np.maximum(np.abs(offset) - SHRINK * (span_a + span_b), 0) * np.sign(offset)
    still = (np.abs(shrunk) < STILL).all(-1, keepdims=True)
    # The shrunk offset is divided by the norm of the unshrunk one: a near miss does not become a full direction.
    norm = np.linalg.norm(offset, axis=-1, keepdims=True)
    x, y = np.moveaxis(np.where(still, 0.0, shrunk / np.where(norm == 0, 1.0, norm)), -1, 0)
    return np.stack([x < -ALONG, x > ALONG, y < -ALONG, y > ALONG], -1)


@dataclass(frozen=True)
class Detection:
    """One object seen in one picture."""

    name: str  # its class
    score: float  # the judge's confidence in class and place, in [0, 1]
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels
    mask: NDArray[np.bool_]  # (H, W)
    colour: str = ""  # from detectors that see colour as well
