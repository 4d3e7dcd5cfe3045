"""Of which scenes a caption is true: whether of a given one, whether training shows such, and how to draw others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product
from math import comb

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.captions.said import NAMED, Facts, Said
from headtohead.synthetic.scenes import COUNT_WEIGHTS, FREE, Request
from headtohead.synthetic.splits import HeldOut
from headtohead.synthetic.vocabulary import MAX_OBJECTS


def holds(what: Said, facts: Facts, row: int) -> bool:
    """Whether what is said is true of a scene, be it the one that it was said of or another."""
    n, shape, colour, size = facts.count[row], facts.shape[row], facts.colour[row], facts.size[row]
    if what.background not in (FREE, facts.background[row]) or what.number not in (FREE, n):
        return False
    fits: list[list[int]] = []  # for each thing, the objects that it may mean
    for k, thing in enumerate(what.things):
        own = [j for j in range(n) if shape[j] == thing.shape]
        if not thing.single and len(own) != len(thing.objects):
            return False
        own = [j for j in own if thing.colour in (FREE, colour[j]) and thing.size in (FREE, size[j])]
        if what.place is not None and what.place[0] == k:
            own = [j for j in own if what.place[1] in facts.halves[row][j]]
        if len(own) < len(thing.objects):
            return False
        fits.append(own)
    return any(_related(what, facts, row, chosen) for chosen in _each_its_own(what, fits))


def _each_its_own(what: Said, fits: list[list[int]]) -> Iterator[tuple[int, ...]]:
    """Ways in which single things mean different objects; -1 stands for a group."""
    single = [own if thing.single else [-1] for thing, own in zip(what.things, fits, strict=True)]
    for chosen in product(*single):
        alone = [j for j in chosen if j >= 0]
        if len(set(alone)) == len(alone):
            yield chosen


def _related(what: Said, facts: Facts, row: int, chosen: tuple[int, ...]) -> bool:
    if what.relation is None:
        return True
    a, r, b = what.relation
    return facts.related[row][chosen[a]][chosen[b]][r]


def unseen(what: Said, held: HeldOut) -> bool:
    """Whether what is said names a combination that is held out."""
    things = what.things
    if any(t.colour != FREE and held.colours[t.shape, t.colour] for t in things):
        return True
    if any(held.counts[t.shape, len(t.objects)] for t in things):
        return True
    if any(held.pairs[a.shape, b.shape] for a, b in permutations(things, 2)):
        return True
    related = what.relation
    return related is not None and bool(held.relations[things[related[0]].shape, related[1], things[related[2]].shape])


def request(what: Said) -> Request:
    """Scenes of which a caption is true. As it may leave objects unnamed, there may be more than it names, but no more
    of a shape that it counts."""
    first = np.cumsum([0, *(len(t.objects) for t in what.things)]).tolist()
    each = [t for t in what.things for _ in t.objects]
    place = [FREE] * len(each)
    if what.place is not None:
        place[first[what.place[0]]] = what.place[1]
    related = () if what.relation is None else ((first[what.relation[0]], what.relation[1], first[what.relation[2]]),)
    exact = tuple(float(n == what.number) for n in range(MAX_OBJECTS + 1))
    return Request(
        tuple(t.shape for t in each),
        tuple(t.colour for t in each),
        tuple(t.size for t in each),
        tuple(place),
        what.background,
        related,
        _number(len(each)) if what.number == FREE else exact,
        tuple(t.shape for t in what.things if not t.single),
    )


def _number(named: int) -> tuple[float, ...]:
    """How likely a picture has 0, 1, ... objects if its caption names so many."""
    out = []
    for n, weight in enumerate(COUNT_WEIGHTS.tolist()):
        chance = comb(n, named) * NAMED**named * (1 - NAMED) ** (n - named) if n >= named else 0.0
        none = (1 - NAMED) ** n if named == 1 and n else 0.0  # at least one is always named
        out.append(weight * (chance + none))
    return tuple(out)


def true_of(whats: Sequence[Said], facts: Facts) -> NDArray[np.bool_]:
    """(scenes, captions): which captions are true of which scenes."""
    return np.array([[holds(what, facts, row) for what in whats] for row in range(len(facts.count))])
