"""Questions about a caption with their answers, from which the language model learns to read.

They ask for what the text says. What it does not say is answered so, even where a picture would tell.
"""

from __future__ import annotations

from collections.abc import Callable

from headtohead.synthetic.captions.said import Said, Thing
from headtohead.synthetic.captions.words import plural
from headtohead.synthetic.scenes import FREE
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, COUNT_WORDS, HALVES, SHAPES, SIZE_NAMES
from headtohead.utils.boxes import RELATIONS

NOT_SAID = "not said"
ABOUT_NAMED = 0.75  # share of questions about what is said; the others are about anything
CHOICES = 3  # uniform numbers that a question takes


def question(what: Said, u: list[float]) -> tuple[str, str]:
    """A question and its answer. Questions about what is said take the next kind that has an answer.

    u  (CHOICES,) uniform numbers: its kind, its subject, and whether that is said
    """
    first, named = int(u[0] * len(_KINDS)), u[2] < ABOUT_NAMED
    kinds = [*_KINDS[first:], *_KINDS[:first]]
    asked = [kind(what, u[1], named) for kind in (kinds if named else kinds[:1])]
    return next((pair for pair in asked if pair[1] != NOT_SAID), asked[0])


def with_questions(caption: str, asked: list[tuple[str, str]]) -> list[tuple[str, bool]]:
    """The text of a caption with questions and answers, in parts, and which of these are answers."""
    parts = [(caption, False)]
    for asks, answer in asked:
        parts += [(f"Question: {asks} Answer:", False), (answer, True)]
    return parts


def _value(names: tuple[str, ...], index: int) -> str:
    return NOT_SAID if index == FREE else names[index]


def _shape(what: Said, u: float, named: bool) -> tuple[str, int, Thing | None]:
    """A shape that names at most one thing: its name, the thing's number and the thing."""
    number = [sum(t.shape == s for t in what.things) for s in range(len(SHAPES))]
    options = [s for s, n in enumerate(number) if n == 1] if named else []
    options = options or [s for s, n in enumerate(number) if n <= 1]
    shape = options[int(u * len(options))]
    found = [(k, t) for k, t in enumerate(what.things) if t.shape == shape]
    return (SHAPES[shape], *found[0]) if found else (SHAPES[shape], FREE, None)


def _called(name: str, thing: Thing | None) -> str:
    return f"is the {name}" if thing is None or thing.single else f"are the {plural(name)}"


def _colour(what: Said, u: float, named: bool) -> tuple[str, str]:
    name, _, thing = _shape(what, u, named)
    return f"what colour {_called(name, thing)}?", _value(COLOUR_NAMES, thing.colour if thing else FREE)


def _size(what: Said, u: float, named: bool) -> tuple[str, str]:
    name, _, thing = _shape(what, u, named)
    return f"how large {_called(name, thing)}?", _value(SIZE_NAMES, thing.size if thing else FREE)


def _where(what: Said, u: float, named: bool) -> tuple[str, str]:
    if what.place is not None and named:
        k, half = what.place
        return f"where is the {SHAPES[what.things[k].shape]}?", HALVES[half]
    name, k, thing = _shape(what, u, named)
    place = what.place[1] if what.place is not None and what.place[0] == k else FREE
    return f"where {_called(name, thing)}?", _value(HALVES, place)


def _which(what: Said, u: float, named: bool) -> tuple[str, str]:
    """Which shape has a colour."""
    number = [sum(t.colour == c for t in what.things) for c in range(len(COLOUR_NAMES))]
    options = [c for c, n in enumerate(number) if n == 1] if named else []
    options = options or [c for c, n in enumerate(number) if n <= 1]
    if not options:
        return _background(what, u, named)
    colour = options[int(u * len(options))]
    found = [t.shape for t in what.things if t.colour == colour]
    return f"what is {COLOUR_NAMES[colour]}?", _value(SHAPES, found[0] if found else FREE)


def _how_many(what: Said, u: float, named: bool) -> tuple[str, str]:
    groups = [t for t in what.things if not t.single]
    if groups and named:
        thing = groups[int(u * len(groups))]
        return f"how many {plural(SHAPES[thing.shape])} are there?", COUNT_WORDS[len(thing.objects)]
    return "how many shapes are there in all?", _value(COUNT_WORDS, what.number)


def _background(what: Said, u: float, named: bool) -> tuple[str, str]:
    return "what is the background?", _value(BACKGROUND_NAMES, what.background)


def _related(what: Said, u: float, named: bool) -> tuple[str, str]:
    """What stands in a relation to a shape."""
    if what.relation is not None and named:
        a, r, b = what.relation
        shapes = [t.shape for t in what.things]
        if shapes.count(shapes[b]) == 1:
            return f"what is {RELATIONS[r]} the {SHAPES[shapes[b]]}?", SHAPES[shapes[a]]
    name, k, thing = _shape(what, u, named)
    r = int(u * 1000 % 1 * len(RELATIONS))  # digits that the choice of the shape leaves over
    found = [what.things[a].shape for a, q, b in ([what.relation] if what.relation else []) if (q, b) == (r, k)]
    if thing is not None and not thing.single:
        return _background(what, u, named)
    return f"what is {RELATIONS[r]} the {name}?", _value(SHAPES, found[0] if found else FREE)


_KINDS: tuple[Callable[[Said, float, bool], tuple[str, str]], ...] = (
    _colour,
    _colour,  # twice as often: what belongs together is the hardest to read
    _which,
    _size,
    _where,
    _how_many,
    _background,
    _related,
)
