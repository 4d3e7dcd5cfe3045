"""Combinations that are held out of all training, of pretrained models and of heads alike.

Each set is a rule on indices. Every shape and every colour still occurs in training, in other combinations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES
from headtohead.utils.boxes import RELATIONS, relations

_S, _C = len(SHAPES), len(COLOUR_NAMES)
_LEFT, _ABOVE = RELATIONS.index("left of"), RELATIONS.index("above")


def _colours() -> NDArray[np.bool_]:
    held = np.zeros((_S, _C), bool)
    for shape in range(_S):
        held[shape, (3 * shape + 1) % _C] = True
    return held


def _pairs() -> NDArray[np.bool_]:
    held = np.zeros((_S, _S), bool)
    for a, b in (("circle", "star"), ("square", "moon"), ("triangle", "ring"), ("heart", "cross")):
        i, j = SHAPES.index(a), SHAPES.index(b)
        held[i, j] = held[j, i] = True
    return held


def _counts() -> NDArray[np.bool_]:
    held = np.zeros((_S, 6), bool)
    for shape in range(_S):
        held[shape, 2 + shape % 3] = True
    return held


def _relations() -> NDArray[np.bool_]:
    """[a, relation, b]; the mirrored statement ("b right of a") is held out with it."""
    held = np.zeros((_S, len(RELATIONS), _S), bool)
    for a in range(_S):
        b, relation = (a + 1) % _S, (_ABOVE, _LEFT)[a % 2]
        held[a, relation, b] = held[b, relation ^ 1, a] = True  # relations come in opposite pairs
    return held


HELD_COLOURS, HELD_PAIRS, HELD_COUNTS, HELD_RELATIONS = _colours(), _pairs(), _counts(), _relations()


def allowed(
    shape: NDArray[np.int64], colour: NDArray[np.int64], present: NDArray[np.bool_], boxes: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(B,): whether a scene shows no held-out combination.

    shape, colour, present  (B, O) of its objects
    boxes                   (B, O, 4)
    """
    ok = ~(HELD_COLOURS[shape, colour] & present).any(-1)
    both = present[:, :, None] & present[:, None, :] & ~np.eye(present.shape[1], dtype=bool)
    a, b = shape[:, :, None], shape[:, None, :]
    ok &= ~(HELD_PAIRS[a, b] & both).any((1, 2))
    counts = ((shape[:, :, None] == np.arange(_S)) & present[:, :, None]).sum(1)
    ok &= ~HELD_COUNTS[np.arange(_S), counts].any(-1)
    holds = relations(boxes[:, :, None], boxes[:, None, :])
    held = HELD_RELATIONS[a, :, b]
    return ok & ~((holds & held).any(-1) & both).any((1, 2))
