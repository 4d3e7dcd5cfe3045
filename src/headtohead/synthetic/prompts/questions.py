"""Yes-or-no questions about scenes: their wording, and their answers from a judge's detections.

Questions are written from scenes and answered from detections alone; the two share only the wording.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from headtohead.synthetic.captions.words import article, plural
from headtohead.synthetic.vocabulary import (
    BACKGROUND_NAMES,
    COLOUR_NAMES,
    COUNT_WORDS,
    HALF_MARGIN,
    HALVES,
    PICTURE_SIDE,
    SHAPES,
    SIZE_NAMES,
    SIZES,
)
from headtohead.utils.boxes import RELATIONS, Detection, relations

SURE = 0.3  # least confidence of a detection that counts
# Radius in pixels between small and large; nearer to small, since a mask loses the thin tips of an outline.
MIDDLE = 0.7 * SIZES["small"][1] + 0.3 * SIZES["large"][0]
NEAR = 2.0  # pixels by which an object may lie nearer to the middle line than what a caption says to be in a half

_PLURALS = {plural(s): s for s in SHAPES}


def _one_of(names: Sequence[str]) -> str:
    return "(" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + ")"


_S, _R = _one_of(SHAPES), _one_of(RELATIONS)


def is_there(shape: str) -> str:
    return f"Is there {article(shape)}?"


def how_many(shape: str, count: int) -> str:
    return f"Are there {COUNT_WORDS[count]} {plural(shape)}?"


def has_attribute(shape: str, attribute: str) -> str:
    """A colour or a size."""
    return f"Is the {shape} {attribute}?"


def are_all(shape: str, attribute: str) -> str:
    """A colour or a size that several objects share."""
    return f"Are the {plural(shape)} {attribute}?"


def how_many_shapes(count: int) -> str:
    return f"Are there {COUNT_WORDS[count]} shapes in all?"


def is_at(shape: str, half: str) -> str:
    return f"Is the {shape} in the {half}?"


def stands(a: str, relation: str, b: str) -> str:
    return f"Is the {a} {relation} the {b}?"


def background(name: str) -> str:
    return f"Is the background {name}?"


def _size(d: Detection) -> str:
    x0, y0, x1, y1 = d.box
    return SIZE_NAMES[int(max(x1 - x0, y1 - y0) / 2 > MIDDLE)]


def _is_at(d: Detection, name: str) -> bool:
    x0, y0, x1, y1 = d.box
    axis, far = divmod(HALVES.index(name), 2)
    beyond = ((x0 + x1) / 2, (y0 + y1) / 2)[axis] - PICTURE_SIDE / 2
    return (beyond if far else -beyond) >= HALF_MARGIN - NEAR


def _has(d: Detection, attribute: str) -> bool:
    return attribute in (d.colour, _size(d))


Seen = list[Detection]


def _of(seen: Seen, shape: str) -> Seen:
    return [d for d in seen if d.name == shape]


def _stands(seen: Seen, a: str, relation: str, b: str) -> bool:
    index = RELATIONS.index(relation)
    return any(bool(relations(p.box, q.box)[index]) for p in _of(seen, a) for q in _of(seen, b))


_ATTRIBUTE = _one_of((*COLOUR_NAMES, *SIZE_NAMES))
_FORMS: tuple[tuple[re.Pattern[str], Callable[..., bool]], ...] = (
    (re.compile(rf"Is there an? {_S}\?"), lambda seen, ground, s: bool(_of(seen, s))),
    (
        re.compile(rf"Are there {_one_of(COUNT_WORDS)} {_one_of(tuple(_PLURALS))}\?"),
        lambda seen, ground, n, s: len(_of(seen, _PLURALS[s])) == COUNT_WORDS.index(n),
    ),
    (
        re.compile(rf"Is the {_S} {_ATTRIBUTE}\?"),
        lambda seen, ground, s, what: any(_has(d, what) for d in _of(seen, s)),
    ),
    (
        re.compile(rf"Are the {_one_of(tuple(_PLURALS))} {_ATTRIBUTE}\?"),
        lambda seen, ground, s, what: (own := _of(seen, _PLURALS[s])) != [] and all(_has(d, what) for d in own),
    ),
    (
        re.compile(rf"Are there {_one_of(COUNT_WORDS)} shapes in all\?"),
        lambda seen, ground, n: len(seen) == COUNT_WORDS.index(n),
    ),
    (
        re.compile(rf"Is the {_S} in the {_one_of(HALVES)}\?"),
        lambda seen, ground, s, where: any(_is_at(d, where) for d in _of(seen, s)),
    ),
    (re.compile(rf"Is the {_S} {_R} the {_S}\?"), lambda seen, ground, a, r, b: _stands(seen, a, r, b)),
    (re.compile(rf"Is the background {_one_of(BACKGROUND_NAMES)}\?"), lambda seen, ground, name: ground == name),
)


def answer(question: str, found: Seen, ground: str) -> str:
    """`yes` or `no`; raises for a question that is none of this module's.

    found   detections in the picture
    ground  name of its background
    """
    seen = [d for d in found if d.score > SURE]
    for form, holds in _FORMS:
        if match := form.fullmatch(question):
            return "yes" if holds(seen, ground, *match.groups()) else "no"
    raise ValueError(f"the synthetic dataset's judge cannot answer the question {question!r}")
