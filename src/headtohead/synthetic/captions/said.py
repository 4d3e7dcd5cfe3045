"""What a caption says of its scene, before it is put into words.

As in real captions, much is left unsaid: an object may go unnamed, and a named one without its colour or size. So a
caption has many correct pictures, and no two things of a picture are pinned to a place.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.scenes import FREE, Scenes
from headtohead.synthetic.vocabulary import HALF_MARGIN, HALVES, MAX_OBJECTS, PICTURE_SIDE
from headtohead.utils import random
from headtohead.utils.boxes import relations

# How often a caption says a thing that it could say.
NAMED = 0.85  # an object; at least one is named
COLOUR = 0.75  # of what is named
SIZE = 0.25  # of what is named
BACKGROUND = 0.4
NUMBER = 0.2  # of all shapes, where there are several
PLACE = 0.25  # of one object, where one lies clearly in a half of the picture
RELATION = 0.4  # between two objects, where no place is said
GROUPED = 0.5  # objects of one shape told as "two stars", where other shapes are there too; alone they always are

_OF_ALL, _OF_EACH = 8, 4  # uniform numbers that choices about the caption and about each object take
NUMBERS = _OF_ALL + _OF_EACH * MAX_OBJECTS


@dataclass(frozen=True)
class Facts:
    """What can be said of B scenes, as plain lists, which are far faster to read one by one than arrays.

    count, background    [B]
    shape, colour, size  [B][O]
    halves               [B][O] the indices into HALVES in which the object clearly lies
    related              [B][O][O][RELATIONS] whether the relation holds from the one object to the other
    """

    count: list[int]
    background: list[int]
    shape: list[list[int]]
    colour: list[list[int]]
    size: list[list[int]]
    halves: list[list[list[int]]]
    related: list[list[list[list[bool]]]]

    @staticmethod
    def of(scenes: Scenes) -> Facts:
        away = scenes.centre - PICTURE_SIDE / 2
        lies = np.stack([-away, away], -1).reshape(*away.shape[:2], len(HALVES)) >= HALF_MARGIN
        boxes = scenes.boxes
        holds = relations(boxes[:, :, None], boxes[:, None])
        return Facts(
            count=scenes.count.tolist(),
            background=scenes.background.tolist(),
            shape=scenes.shape.tolist(),
            colour=scenes.colour.tolist(),
            size=scenes.size.tolist(),
            halves=[[_indices(of) for of in row] for row in lies.tolist()],
            related=holds.tolist(),
        )


def _indices(flags: list[bool]) -> list[int]:
    return [k for k, flag in enumerate(flags) if flag]


@dataclass(frozen=True)
class Thing:
    """An object that a caption names, or several of one shape named together; FREE is what it leaves unsaid."""

    shape: int
    objects: tuple[int, ...]  # of the scene
    colour: int = FREE
    size: int = FREE

    @property
    def single(self) -> bool:
        return len(self.objects) == 1


@dataclass(frozen=True)
class Said:
    """What a caption says.

    things      in the order of telling
    background  index into BACKGROUND_NAMES
    number      of all shapes
    place       (number of a thing, index into HALVES)
    relation    (number of a thing, index into RELATIONS, number of another)
    """

    things: tuple[Thing, ...]
    background: int = FREE
    number: int = FREE
    place: tuple[int, int] | None = None
    relation: tuple[int, int, int] | None = None

    @property
    def short(self) -> bool:
        """Whether it names one or two things and no more than GenEval's prompts do: shape, colour, count, relation."""
        more = self.background, self.number, *(thing.size for thing in self.things)
        return len(self.things) <= 2 and self.place is None and all(value == FREE for value in more)


def uniform(seed: int, index: NDArray[np.int64], number: int) -> NDArray[np.float64]:
    """(B, number) uniform numbers that decide the captions of an index; the first NUMBERS decide what is said."""
    return random.uniform(random.keys(seed, index, 1 << 20), number)


def said(scenes: Scenes, seed: int, index: NDArray[np.int64]) -> list[Said]:
    """What the captions of scenes say, a pure function of scene, seed and index."""
    facts, u = Facts.of(scenes), uniform(seed, index, NUMBERS).tolist()
    return [said_of(facts, row, own) for row, own in enumerate(u)]


def said_of(facts: Facts, row: int, u: list[float]) -> Said:
    """What one caption says. Each choice has its own number, so that one that does not arise moves no other.

    row  of the scene
    u    at least NUMBERS uniform numbers
    """
    n = facts.count[row]
    things = _things(facts, row, u)
    place = _place(facts, row, things, u[4]) if u[3] < PLACE else None
    relation = _relation(facts, row, things, u[6]) if place is None and u[5] < RELATION else None
    counted = n == 1 or len(things[0].objects) == n
    number = FREE if counted or u[2] >= NUMBER else n
    return Said(tuple(things), facts.background[row] if u[1] < BACKGROUND else FREE, number, place, relation)


def _things(facts: Facts, row: int, u: list[float]) -> list[Thing]:
    n, shape = facts.count[row], facts.shape[row]
    # Of each object: whether it is named, its colour and size, and when.
    name, hue, extent, when = (u[_OF_ALL + k * MAX_OBJECTS :][:n] for k in range(_OF_EACH))
    named = [j for j in range(n) if name[j] < NAMED] or [min(range(n), key=lambda j: name[j])]
    groups: list[tuple[int, ...]] = []
    for s in dict.fromkeys(shape[:n]):
        alike, told = [j for j in range(n) if shape[j] == s], [j for j in named if shape[j] == s]
        together = len(alike) > 1 and (len(alike) == n or (told == alike and u[7] < GROUPED))
        groups += [tuple(alike)] if together else [(j,) for j in told]
    out = []
    for own in sorted(groups, key=lambda own: when[own[0]]):
        first, colours, sizes = own[0], {facts.colour[row][j] for j in own}, {facts.size[row][j] for j in own}
        colour = colours.pop() if len(colours) == 1 and hue[first] < COLOUR else FREE
        size = sizes.pop() if len(sizes) == 1 and extent[first] < SIZE else FREE
        out.append(Thing(shape[first], own, colour, size))
    return out


def _place(facts: Facts, row: int, things: list[Thing], u: float) -> tuple[int, int] | None:
    options = [(k, h) for k, t in enumerate(things) if t.single for h in facts.halves[row][t.objects[0]]]
    return options[int(u * len(options))] if options else None


def _relation(facts: Facts, row: int, things: list[Thing], u: float) -> tuple[int, int, int] | None:
    """Between two single things that their names tell apart, from each other and from all others."""
    options = []
    for (i, a), (j, b) in permutations(enumerate(things), 2):
        if a.single and b.single and _clear(a, things) and _clear(b, things):
            options += [(i, r, j) for r in _indices(facts.related[row][a.objects[0]][b.objects[0]])]
    return options[int(u * len(options))] if options else None


def _clear(thing: Thing, things: list[Thing]) -> bool:
    """Whether no other thing has its shape, or all that do are told to have another colour."""
    others = [t for t in things if t.shape == thing.shape and t is not thing]
    return all(FREE not in (t.colour, thing.colour) and t.colour != thing.colour for t in others)
