"""Combinations that are held out of training.

There are two sets of them. Whatever learns from captions (the heads, the language model, CLIP) is shown nothing of
CAPTIONED, about half of all combinations: with fewer, a design that only remembers training pictures would score well.
Models that see pictures alone (VAE, FID's features, the controls, the decoders) are codecs and instruments, which are
no learners of language; they are kept from PICTURES only, a subset of it. The judge sees every combination.

Each set is a rule on indices. Every shape and every colour still occurs in training, in other combinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.vocabulary import COLOUR_NAMES, COUNT_WORDS, SHAPES
from headtohead.utils.boxes import RELATIONS, relations

_S, _C, _N = len(SHAPES), len(COLOUR_NAMES), len(COUNT_WORDS)
_LEFT, _ABOVE = RELATIONS.index("left of"), RELATIONS.index("above")

# Shapes in a ring. Those three or four steps apart never meet in CAPTIONED, those four apart never in PICTURES: every
# shape meets as many others, and up to three different ones meet in a picture.
RING = ("circle", "square", "triangle", "heart", "star", "moon", "ring", "cross")
# CAPTIONED's further counts, so that each of 2, 3 and 4 is held out for four shapes and shown with the others.
COUNTS = (("circle", 4), ("triangle", 3), ("cross", 2), ("moon", 4))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A set of combinations; equal only to itself, so that results can be kept for each.

    colours    (S, C) of a shape and a colour
    pairs      (S, S) of shapes in one picture
    counts     (S, N) of as many of one shape
    relations  (S, R, S) [a, relation, b]; the mirrored statement ("b right of a") is held out with it
    few        whether few sets of shapes chosen at random would be free of it, so that they are chosen from a table
    """

    colours: NDArray[np.bool_]
    pairs: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    relations: NDArray[np.bool_]
    few: bool = False

    def allowed(
        self,
        shape: NDArray[np.int64],
        colour: NDArray[np.int64],
        present: NDArray[np.bool_],
        boxes: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """(B,): whether a scene shows none of the combinations.

        shape, colour, present  (B, O) of its objects
        boxes                   (B, O, 4)
        """
        ok = ~(self.colours[shape, colour] & present).any(-1)
        both = present[:, :, None] & present[:, None, :] & ~np.eye(present.shape[1], dtype=bool)
        a, b = shape[:, :, None], shape[:, None, :]
        ok &= ~(self.pairs[a, b] & both).any((1, 2))
        counts = ((shape[:, :, None] == np.arange(_S)) & present[:, :, None]).sum(1)
        ok &= ~self.counts[np.arange(_S), counts].any(-1)
        holds = relations(boxes[:, :, None], boxes[:, None, :])
        held = self.relations[a, :, b]
        return ok & ~((holds & held).any(-1) & both).any((1, 2))

    @cache  # noqa: B019 - there are few sets
    def shapes(self, number: int) -> NDArray[np.int64]:
        """(rows, number): all sequences of so many shapes whose pairs and counts are free of the combinations."""
        rows = np.array(list(product(range(_S), repeat=number)))
        meet = np.array([self.pairs[rows[:, i], rows[:, j]] for i, j in combinations(range(number), 2)])
        counts = (rows[:, :, None] == np.arange(_S)).sum(1)
        return rows[~meet.any(0) & ~self.counts[np.arange(_S), counts].any(-1)] if number > 1 else rows

    def plain(self) -> list[object]:
        """As JSON can represent it, for hashes."""
        return [a.tolist() for a in (self.colours, self.pairs, self.counts, self.relations)]


def _colours(*steps: int) -> NDArray[np.bool_]:
    """Each step holds one colour of every shape, another one for each."""
    held = np.zeros((_S, _C), bool)
    for shape, step in product(range(_S), steps):
        held[shape, (3 * shape + step) % _C] = True
    return held


def _pairs(*steps: int) -> NDArray[np.bool_]:
    held = np.zeros((_S, _S), bool)
    for k, step in product(range(_S), steps):
        i, j = SHAPES.index(RING[k]), SHAPES.index(RING[(k + step) % _S])
        held[i, j] = held[j, i] = True
    return held


def _counts(*more: tuple[str, int]) -> NDArray[np.bool_]:
    held = np.zeros((_S, _N), bool)
    for shape in range(_S):
        held[shape, 2 + shape % 3] = True
    for name, number in more:
        held[SHAPES.index(name), number] = True
    return held


def _relations() -> NDArray[np.bool_]:
    held = np.zeros((_S, len(RELATIONS), _S), bool)
    for a in range(_S):
        b, relation = (a + 1) % _S, (_ABOVE, _LEFT)[a % 2]
        held[a, relation, b] = held[b, relation ^ 1, a] = True  # relations come in opposite pairs
    return held


NOTHING = HeldOut(
    np.zeros((_S, _C), bool),
    np.zeros((_S, _S), bool),
    np.zeros((_S, _N), bool),
    np.zeros((_S, len(RELATIONS), _S), bool),
)
PICTURES = HeldOut(_colours(1), _pairs(4), _counts(), _relations())
CAPTIONED = HeldOut(_colours(1, 2, 4, 5), _pairs(3, 4), _counts(*COUNTS), _relations(), few=True)
