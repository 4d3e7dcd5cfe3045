"""The eight shapes as signed distance fields on a fine grid: negative inside, in units of the shape's radius.

Every outline is centred and scaled so that the longer side of its box spans [-1, 1].
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.vocabulary import SHAPES

GRID = 256  # cells along a side
REACH = 1.25  # the grid covers [-REACH, REACH]

Array = NDArray[Any]


def _polygon(name: str) -> Array:
    turn = np.linspace(0, 2 * np.pi, 5, endpoint=False)
    if name == "square":
        return np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    if name == "triangle":
        return np.array([(0.0, -1.0), (1.0, 0.8), (-1.0, 0.8)])
    if name == "star":
        outer = np.stack([np.sin(turn), -np.cos(turn)], -1)
        inner = 0.42 * np.stack([np.sin(turn + np.pi / 5), -np.cos(turn + np.pi / 5)], -1)
        return np.stack([outer, inner], 1).reshape(-1, 2)
    if name == "cross":
        arm = 0.34
        quarter = np.array([(arm, -1.0), (arm, -arm), (1.0, -arm)])
        turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in np.arange(4) * np.pi / 2]
        return np.concatenate([quarter @ turn.T for turn in turns])
    if name == "heart":
        s = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        x = 16 * np.sin(s) ** 3
        y = -(13 * np.cos(s) - 5 * np.cos(2 * s) - 2 * np.cos(3 * s) - np.cos(4 * s))
        return np.stack([x, y], -1)
    raise ValueError(f"no polygon for {name!r}")


def _polygon_distance(points: Array, corners: Array) -> Array:
    """Signed distance of points (P, 2) to a closed polygon (C, 2): nearest edge, and ray crossings for the sign.

    Edge by edge, which a CPU's cache holds: every process that draws a scene waits for it.
    """
    x, y = points.T.copy()
    nearest, inside = np.full(len(points), np.inf), np.zeros(len(points), bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
        ex, ey, to_x, to_y = bx - ax, by - ay, x - ax, y - ay
        along = np.clip((to_x * ex + to_y * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (to_x - along * ex) ** 2 + (to_y - along * ey) ** 2)
        if ey:
            inside ^= ((ay > y) != (by > y)) & (x < ax + to_y / ey * ex)
    return np.where(inside, -1, 1) * np.sqrt(nearest)


def _distance(name: str, points: Array) -> Array:
    radius = np.linalg.norm(points, axis=-1)
    if name == "circle":
        return radius - 1.0
    if name == "ring":
        return np.abs(radius - 0.74) - 0.26
    if name == "moon":
        # A disc with a bite out of its right side; fields() centres its box again.
        bite = np.linalg.norm(points - np.array([0.62, 0.0]), axis=-1) - 0.82
        return np.maximum(radius - 1.0, -bite)
    corners = _polygon(name)
    low, high = corners.min(0), corners.max(0)
    return _polygon_distance(points, (corners - (low + high) / 2) / ((high - low).max() / 2))


@cache
def fields() -> NDArray[np.float32]:
    """(shape, GRID, GRID) signed distances."""
    axis = (np.arange(GRID) + 0.5) / GRID * 2 * REACH - REACH
    y, x = np.meshgrid(axis, axis, indexing="ij")
    grid = np.stack([x, y], -1).reshape(-1, 2)
    out = []
    for name in SHAPES:
        points = grid - np.array([0.18, 0.0]) if name == "moon" else grid
        out.append(_distance(name, points).reshape(GRID, GRID))
    return np.stack(out).astype(np.float32)


@cache
def extents() -> Array:
    """(shape, 4): the box of each outline in units of its radius, read off the field."""
    axis = (np.arange(GRID) + 0.5) / GRID * 2 * REACH - REACH
    boxes = []
    for inside in fields() < 0:
        rows, columns = np.where(inside.any(1))[0], np.where(inside.any(0))[0]
        boxes.append((axis[columns[0]], axis[rows[0]], axis[columns[-1]], axis[rows[-1]]))
    return np.array(boxes)
