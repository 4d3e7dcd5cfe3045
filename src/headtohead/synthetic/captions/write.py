"""Captions of scenes: one sentence, tags, or several sentences, each a pure function of scene, seed and index."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.captions import templates
from headtohead.synthetic.captions.said import NUMBERS, Facts, Said, Thing, said_of, uniform
from headtohead.synthetic.captions.templates import HOW, WHERE, Sentences
from headtohead.synthetic.captions.words import article, capital, joined, plural, words_of
from headtohead.synthetic.scenes import FREE, Scenes, draw
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, COUNT_WORDS, SHAPES, SIZE_NAMES
from headtohead.utils import random

STYLES = ("sentence", "tags", "dense")
TAGS = 0.2  # share of tags among the captions that are not dense
# Captions of a training picture, of which each epoch shows the next: as few as real data has, so that whatever is
# computed from a caption can be kept.
A_PICTURE = 2
_WORDING = 24  # uniform numbers for the choice of words


class Writer:
    """Puts what is said of one scene into words.

    what  is said
    n     objects of the scene
    u     uniform numbers, taken one by one by each choice of words
    """

    def __init__(self, what: Said, n: int, u: list[float]) -> None:
        self.what, self.n = what, n
        self._u, self._next = u, 0

    def pick(self, options: tuple[str, ...]) -> str:
        """The next choice among options."""
        self._next += 1
        return options[int(self._u[(self._next - 1) % len(self._u)] * len(options))]

    def sentence(self) -> str:
        """One sentence, in lower case and without a full stop, as GenEval's are."""
        what, everything = self.what, joined(self._phrases())
        if what.number != FREE:
            complete = sum(len(t.objects) for t in what.things) == self.n
            form = templates.COUNTED if complete else templates.AMONG
            everything = form.format(n=COUNT_WORDS[what.number], all=everything)
        if what.background != FREE:
            form = self.pick(templates.ON_GROUND)
        else:
            form = self.pick(templates.FRAMED if what.short else templates.LONGER + templates.FRAMED)
        return self._filled(form, all=everything, is_=self._is(what.number != FREE))

    def tags(self) -> str:
        what, names = self.what, [name_of(t) for t in self.what.things]
        if what.place is not None:
            names[what.place[0]] += " " + self.pick(WHERE[what.place[1]])
        if what.relation is not None:
            a, r, b = what.relation
            names.append(f"{names[a]} {self.pick(HOW[r])} {names[b]}")
        if what.number != FREE:
            names.append(f"{COUNT_WORDS[what.number]} shapes")
        if what.background != FREE:
            names.append(self._filled(self.pick(templates.TAG_ENDS)))
        listed = self.pick((", ", "; ")).join(names)
        return templates.TAGGED.format(all=listed) if what.short else listed

    def dense(self, wordings: Sentences = templates.TRAINING) -> str:
        """Several sentences."""
        what = self.what
        out = self._of_things(wordings)
        if what.relation is not None:
            a, r, b = what.relation
            names = {"a": name_of(what.things[a]), "b": name_of(what.things[b])}
            out.append(self._filled(self.pick(wordings.related), r=self.pick(HOW[r]), **names))
        if what.number != FREE:
            out.insert(0, self._filled(self.pick(wordings.number), n=COUNT_WORDS[what.number]))
        if what.background != FREE:
            ground = self._filled(self.pick(wordings.ground))
            out.insert(0 if self.pick(("first", "last")) == "first" else len(out), ground)
        if len(out) == 1:
            out.insert(0, self.pick(wordings.opening))
        return " ".join(map(capital, out))

    def _of_things(self, wordings: Sentences) -> list[str]:
        """The things in one sentence, or one sentence each."""
        what, names = self.what, [with_article(t) for t in self.what.things]
        if len(names) > 1 and self.pick(("together", "one by one")) == "together":
            if what.place is not None:
                k, half = what.place
                names.insert(0, f"{names.pop(k)} {self.pick(WHERE[half])}")
            return [self._filled(self.pick(wordings.together), all=joined(names), is_=self._is())]
        out = []
        for k, (thing, name) in enumerate(zip(what.things, names, strict=True)):
            if what.place is not None and what.place[0] == k:
                where = self.pick(WHERE[what.place[1]])
                out.append(self._filled(self.pick(wordings.placed), a=name, where=where))
            else:
                is_ = "is" if thing.single else "are"
                out.append(self._filled(self.pick(wordings.thing), a=name, is_=is_))
        return out

    def _phrases(self) -> list[str]:
        """The things of one sentence: the one with a place first, two that are related last, so that both are clear."""
        what, names = self.what, [with_article(t) for t in self.what.things]
        if what.place is not None:
            k, half = what.place
            names.insert(0, f"{names.pop(k)} {self.pick(WHERE[half])}")
        if what.relation is not None:
            a, r, b = what.relation
            pair = f"{names[a]} {self.pick(HOW[r])} {names[b]}"
            names = [name for k, name in enumerate(names) if k not in (a, b)] + [pair]
        return names

    def _is(self, counted: bool = False) -> str:
        """Of all things."""
        return "are" if counted or len(self.what.things) > 1 or not self.what.things[0].single else "is"

    def _filled(self, form: str, **fields: str) -> str:
        if self.what.background != FREE:
            hue = BACKGROUND_NAMES[self.what.background]
            fields |= {"hue": hue, "g": article(hue)}
        return form.format(**fields)


def name_of(thing: Thing) -> str:
    """As "large red star", or "three red stars"."""
    words = [SIZE_NAMES[thing.size]] if thing.size != FREE else []
    words += [COLOUR_NAMES[thing.colour]] if thing.colour != FREE else []
    if thing.single:
        return " ".join([*words, SHAPES[thing.shape]])
    return " ".join([COUNT_WORDS[len(thing.objects)], *words, plural(SHAPES[thing.shape])])


def with_article(thing: Thing) -> str:
    return article(name_of(thing)) if thing.single else name_of(thing)


def shares(dense: float) -> tuple[float, float, float]:
    """Shares of the STYLES in training, of which `dense` are captions of several sentences."""
    return (1 - TAGS) * (1 - dense), TAGS * (1 - dense), dense


def captions(
    scenes: Scenes, seed: int, index: NDArray[np.int64], shares: tuple[float, float, float] = (0.4, 0.1, 0.5)
) -> list[str]:
    """One caption per scene. What it says depends on seed and index alone, not on the shares.

    index   of each scene, which with the seed decides its caption
    shares  of the STYLES, which add up to 1
    """
    u = uniform(seed, index, NUMBERS + _WORDING)
    facts, style = Facts.of(scenes), random.choose(u[:, 0], np.array(shares))
    out = []
    for row, own in enumerate(u.tolist()):
        writer = Writer(said_of(facts, row, own), facts.count[row], own[NUMBERS:])
        out.append(getattr(writer, STYLES[style[row]])())
    return out


def of_training(scenes: Scenes, seed: int, picture: NDArray[np.int64], epoch: int, dense: float) -> list[str]:
    """The captions of training pictures in an epoch: each picture has A_PICTURE of them, in every run the same.

    seed     of the pictures
    picture  (B,) their numbers
    dense    share of captions of several sentences
    """
    return captions(scenes, seed, picture * A_PICTURE + epoch % A_PICTURE, shares(dense))


@cache
def known_words() -> frozenset[str]:
    """Every word that occurs in the dataset's captions."""
    index = np.arange(1500)
    scenes = draw(0, index)
    written = [captions(scenes, 0, index, only) for only in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))]
    return frozenset(word for texts in written for text in texts for word in words_of(text))
