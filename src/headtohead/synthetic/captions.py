"""Captions of scenes: short ones in GenEval's six forms, lists of objects, and dense ones of several sentences."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.scenes import Scenes, draw
from headtohead.synthetic.vocabulary import (
    BACKGROUND_NAMES,
    COLOUR_NAMES,
    COUNT_WORDS,
    PICTURE_SIDE,
    PLACES,
    SHAPES,
    SIZE_NAMES,
)
from headtohead.utils import random
from headtohead.utils.boxes import RELATIONS, relations

OPENINGS = ("a photo of ", "", "a picture of ", "an image of ")
STYLES = ("short", "listing", "dense")


def article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def plural(shape: str) -> str:
    return shape + ("es" if shape == "cross" else "s")


def place(centre: NDArray[np.float64]) -> int:
    """Index into PLACES of the third of the picture that holds a point."""
    column, row = np.clip(centre * 3 // PICTURE_SIDE, 0, 2).astype(int)
    return int(3 * row + column)


def joined(parts: list[str]) -> str:
    """One, two and three."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


class Captioner:
    """Captions of one scene, a function of the scene and of uniform numbers.

    row  of the scene in `scenes`
    u    (24,) uniform numbers, taken one by one by each choice
    """

    def __init__(self, scenes: Scenes, row: int, u: NDArray[np.float64]) -> None:
        n = int(scenes.count[row])
        order = np.argsort(scenes.centre[row, :n, 0], kind="stable")  # from left to right: one order per scene
        self.shape = [SHAPES[k] for k in scenes.shape[row, order]]
        self.colour = [COLOUR_NAMES[k] for k in scenes.colour[row, order]]
        self.size = [SIZE_NAMES[k] for k in scenes.size[row, order]]
        self.place = [PLACES[place(c)] for c in scenes.centre[row, order]]
        self.boxes = scenes.boxes[row, order]
        self.background = BACKGROUND_NAMES[scenes.background[row]]
        self.n, self._u, self._next = n, u, 0

    def pick(self, options: int) -> int:
        """The next choice among so many options."""
        self._next += 1
        return int(self._u[self._next - 1] * options)

    def coloured(self, j: int) -> str:
        return f"{self.colour[j]} {self.shape[j]}"

    def short(self) -> str:
        opening = OPENINGS[self.pick(len(OPENINGS))]
        if self.n == 1:
            return opening + article((self.shape[0], self.coloured(0))[self.pick(2)])
        if len(set(self.shape)) == 1:
            hue = f"{self.colour[0]} " if len(set(self.colour)) == 1 and self.pick(3) == 0 else ""
            return f"{opening}{COUNT_WORDS[self.n]} {hue}{plural(self.shape[0])}"
        if self.n == 2:
            return opening + self._pair()
        return opening + joined([article(self.coloured(j)) for j in self._shuffled()])

    def _pair(self) -> str:
        a = self.pick(2)
        b, form = 1 - a, self.pick(3)
        if form == 0:
            return f"{article(self.shape[a])} and {article(self.shape[b])}"
        holds = np.flatnonzero(relations(self.boxes[a], self.boxes[b]))
        if form == 1 or not len(holds):
            return f"{article(self.coloured(a))} and {article(self.coloured(b))}"
        return f"{article(self.shape[a])} {RELATIONS[holds[self.pick(len(holds))]]} {article(self.shape[b])}"

    def _shuffled(self) -> list[int]:
        return sorted(range(self.n), key=lambda j: self._u[-1 - j])

    def listing(self) -> str:
        """Every object with size, colour and place; the place first in half of the captions, last in the others."""
        things = [article(f"{self.size[j]} {self.coloured(j)}") for j in range(self.n)]
        if self.pick(2):
            return ", ".join(f"{thing} at the {where}" for thing, where in zip(things, self.place, strict=True))
        return ", ".join(f"at the {where} {thing}" for thing, where in zip(things, self.place, strict=True))

    def dense(self) -> str:
        return " ".join([self._scene_sentence(), *self._object_sentences(), *self._relation_sentences()])

    def _scene_sentence(self) -> str:
        things = "shape" if self.n == 1 else "shapes"
        if len(set(self.shape)) == 1:
            things = self.shape[0] if self.n == 1 else plural(self.shape[0])
        count, ground = COUNT_WORDS[self.n], self.background
        return (
            f"The picture shows {count} {things} on {article(ground)} background.",
            f"On {article(ground)} background there {'is' if self.n == 1 else 'are'} {count} {things}.",
        )[self.pick(2)]

    def _object_sentences(self) -> list[str]:
        out = []
        for j in range(self.n):
            thing = article(f"{self.size[j]} {self.coloured(j)}")
            out.append(
                (f"{thing.capitalize()} is at the {self.place[j]}.", f"At the {self.place[j]} there is {thing}.")[
                    self.pick(2)
                ]
            )
        return out

    def _relation_sentences(self) -> list[str]:
        """At most one, between two objects whose names differ."""
        names = [self.coloured(j) for j in range(self.n)]
        if self.n < 2 or len(set(names)) < self.n or self.pick(2):
            return []
        a, b = self._shuffled()[:2]
        holds = np.flatnonzero(relations(self.boxes[a], self.boxes[b]))
        if not len(holds):
            return []
        return [f"The {names[a]} is {RELATIONS[holds[self.pick(len(holds))]]} the {names[b]}."]


def captions(
    scenes: Scenes, seed: int, index: NDArray[np.int64], shares: tuple[float, float, float] = (0.5, 0.0, 0.5)
) -> list[str]:
    """One caption per scene.

    index   of each scene, which with the seed decides its wording
    shares  of the STYLES, which add up to 1
    """
    u = random.uniform(random.keys(seed, index, 1 << 20), 24)
    style = random.choose(u[:, 0], np.array(shares))
    return [getattr(Captioner(scenes, row, u[row, 1:]), STYLES[style[row]])() for row in range(len(scenes))]


@cache
def known_words() -> frozenset[str]:
    """Every word that occurs in the dataset's captions."""
    index = np.arange(256)
    scenes = draw(0, index)
    written = [captions(scenes, 0, index, shares) for shares in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))]
    return frozenset(word for texts in written for text in texts for word in words_of(text))


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.lower())
