"""Scenes: the content of pictures before they are rendered, as arrays over a batch.

`draw(seed, index)` is a pure function. It draws unconstrained scenes for training, or scenes that fulfil a request (a
prompt), so that one prompt has many correct pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headtohead.synthetic.outlines import extents
from headtohead.synthetic.splits import CAPTIONED, HeldOut
from headtohead.synthetic.vocabulary import (
    BACKGROUND_NAMES,
    BACKGROUNDS,
    COLOUR_JITTER,
    COLOUR_NAMES,
    COLOURS,
    HALF_MARGIN,
    MAX_OBJECTS,
    PICTURE_SIDE,
    SHAPES,
    SIZE_NAMES,
    SIZES,
)
from headtohead.utils import random
from headtohead.utils.boxes import relations

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Of unconstrained scenes: the distribution of the number of objects, how often all are of one shape (for counting),
# and how often an object is large, by their number.
COUNT_WEIGHTS = np.array([0.0, 0.26, 0.34, 0.22, 0.18])
SAME_SHAPE = 0.25
LARGE = np.array([0.0, 0.6, 0.45, 0.25, 0.1])

GAP = 2.0  # pixels between the boxes of two objects
TRIES_A_PLACE = 24  # candidates for an object's centre
MAX_ATTEMPTS = 200  # draws of a scene before its request counts as impossible
FREE = -1  # an attribute that a request leaves open


@dataclass(frozen=True)
class Scenes:
    """B scenes of up to O = MAX_OBJECTS objects; rows beyond `count` are padding."""

    count: Ints  # (B,)
    shape: Ints  # (B, O) index into SHAPES
    colour: Ints  # (B, O) index into COLOUR_NAMES
    size: Ints  # (B, O) index into SIZE_NAMES
    radius: Floats  # (B, O) pixels
    centre: Floats  # (B, O, 2) pixels, x then y
    rgb: Floats  # (B, O, 3) the object's own colour, jittered
    background: Ints  # (B,) index into BACKGROUND_NAMES
    backdrop: Floats  # (B, 5) its colour, the direction and strength of its gradient

    def __len__(self) -> int:
        return len(self.count)

    def __getitem__(self, rows: Any) -> Scenes:
        return Scenes(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def present(self) -> NDArray[np.bool_]:
        return np.arange(self.shape.shape[1]) < self.count[:, None]

    @property
    def boxes(self) -> Floats:
        """(B, O, 4): the outlines' boxes in pixels, x0 y0 x1 y1."""
        return extents()[self.shape] * self.radius[..., None] + np.concatenate([self.centre] * 2, -1)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(B,): whether training with captions may show a scene, that is, none of its combinations is held out."""
        return self.free_of(CAPTIONED)

    def free_of(self, held: HeldOut) -> NDArray[np.bool_]:
        """(B,): whether a scene shows none of the combinations of a set."""
        return held.allowed(self.shape, self.colour, self.present, self.boxes)

    @staticmethod
    def cat(parts: list[Scenes]) -> Scenes:
        return Scenes(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Scenes)})


@dataclass(frozen=True)
class Request:
    """What every scene of a batch must show; FREE leaves an attribute open."""

    shape: tuple[int, ...]
    colour: tuple[int, ...]
    size: tuple[int, ...] = ()
    place: tuple[int, ...] = ()  # index into HALVES
    background: int = FREE
    relations: tuple[tuple[int, int, int], ...] = ()  # (object a, index into RELATIONS, object b)
    number: tuple[float, ...] = ()  # how likely 0, 1, ... objects are; () for exactly those of `shape`
    alone: tuple[int, ...] = ()  # shapes that further objects, of which there may be some by `number`, do not have


def draw(
    seed: int, index: Ints, *, request: Request | None = None, held_out: bool = False, held: HeldOut = CAPTIONED
) -> Scenes:
    """Draw one scene per index.

    index     (B,) which with the seed decides each scene
    request   what all of them must show; None: unconstrained
    held_out  also draw combinations that are held out of training
    held      these combinations
    """
    index = np.asarray(index, np.int64)
    done = np.zeros(len(index), bool)
    table = held if held.few and not held_out and request is None else None
    out: Scenes | None = None
    for attempt in range(MAX_ATTEMPTS):
        todo = np.where(~done)[0]
        # The number of objects depends on the index, not on the attempt: otherwise retries would favour few objects.
        key, retry = random.keys(seed, index[todo], 0), random.keys(seed, index[todo], 1 + attempt)
        scenes, ok = _attempt(key, retry, request, held, table)
        if not held_out:
            ok &= scenes.free_of(held)
        if out is None:
            out = Scenes(**{f.name: getattr(scenes, f.name).copy() for f in fields(Scenes)})
        else:
            for f in fields(Scenes):
                getattr(out, f.name)[todo] = getattr(scenes, f.name)
        done[todo[ok]] = True
        if done.all():
            return out
    raise ValueError(f"no scene fulfils {request} in {MAX_ATTEMPTS} attempts (held_out={held_out})")


def _attempt(
    key: Any, retry: Any, request: Request | None, held: HeldOut, table: HeldOut | None
) -> tuple[Scenes, NDArray[np.bool_]]:
    """Scenes, and which of them are complete; `table` is the set of which no shapes may be chosen, if any."""
    batch, most = len(key), MAX_OBJECTS
    kind, u = random.uniform(key, 2), random.uniform(retry, most, 8)
    if request is None:
        count = random.choose(kind[:, 0], COUNT_WEIGHTS)
        same = (kind[:, 1] < SAME_SHAPE) & (count >= 2)
        if table is None:
            shape = (u[..., 0] * len(SHAPES)).astype(np.int64)
            shape = np.where(same[:, None], shape[:, :1], shape)
        else:
            shape = _from_table(table, u[:, 0, 0], count, same)
        one_colour = same & (kind[:, 1] < SAME_SHAPE / 2)
        colour = _free_colours(np.where(one_colour[:, None], u[:, :1, 1], u[..., 1]), shape, held)
    else:
        count = np.full(batch, len(request.shape))
        if request.number:
            count = random.choose(kind[:, 0], np.array(request.number))
        pad = (FREE,) * (most - len(request.shape))
        want_shape, want_colour = np.array(request.shape + pad), np.array(request.colour + pad)
        shape = np.where(want_shape == FREE, (u[..., 0] * len(SHAPES)).astype(np.int64), want_shape)
        colour = np.where(want_colour == FREE, _free_colours(u[..., 1], shape, held), want_colour)
    size = (u[..., 2] < LARGE[count][:, None]).astype(np.int64)
    if request is not None and request.size:
        want = np.array(request.size + (FREE,) * (most - len(request.size)))
        size = np.where(want == FREE, size, want)
    low, high = np.array([SIZES[s] for s in SIZE_NAMES])[size].transpose(2, 0, 1)
    radius = low + u[..., 3] * (high - low)
    half = np.array((request.place if request else ()) + (FREE,) * most)[:most]
    centre, ok = _place(random.uniform(retry + np.uint64(1), most, TRIES_A_PLACE, 2), radius, count, half)
    rgb = np.array([COLOURS[c] for c in COLOUR_NAMES])[colour] + (2 * u[..., 4:7] - 1) * COLOUR_JITTER
    background, backdrop = _backdrop(random.uniform(retry + np.uint64(2), 6), request)
    scenes = Scenes(count, shape, colour, size, radius, centre, np.clip(rgb, 0, 1), background, backdrop)
    if request is not None:
        boxes = scenes.boxes
        for a, relation, b in request.relations:
            ok = ok & relations(boxes[:, a], boxes[:, b])[:, relation]
        for alone in request.alone:
            ok = ok & (((shape == alone) & scenes.present).sum(1) == request.shape.count(alone))
    return scenes, ok


def _from_table(table: HeldOut, u: Floats, count: Ints, same: NDArray[np.bool_]) -> Ints:
    """(B, O) shapes of which no pair and no count is held out, all of one kind where `same`.

    u  (B,) uniform numbers
    """
    shape = np.zeros((len(u), MAX_OBJECTS), np.int64)
    for number in range(1, MAX_OBJECTS + 1):
        rows = table.shapes(number)
        for alike, choice in ((False, rows), (True, rows[(rows == rows[:, :1]).all(1)])):
            own = np.flatnonzero((count == number) & (same == alike))
            shape[own, :number] = choice[(u[own] * len(choice)).astype(np.int64)]
    return shape


def _free_colours(u: Floats, shape: Ints, held: HeldOut) -> Ints:
    """A colour for each shape that training shows with it, so that few scenes have to be drawn again."""
    return random.choose(u, (~held.colours[shape]).astype(np.float64))


def _place(u: Floats, radius: Floats, count: Ints, half: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """Centres (B, O, 2), and whether all objects fit: each takes the first candidate that keeps a gap to those before.

    u       (B, O, TRIES_A_PLACE, 2) uniform numbers
    radius  (B, O) pixels
    half    (O,) index into HALVES, or FREE
    """
    batch, most = radius.shape
    edge = radius[..., None, None] + 0.5
    # HALVES are two for x, then two for y, of which the first is the one near 0.
    bound = (half[:, None] != FREE) & (half[:, None] // 2 == np.arange(2))  # (O, 2)
    far, middle = (half % 2 == 1)[:, None], PICTURE_SIDE / 2
    low = np.where((bound & far)[:, None], middle + HALF_MARGIN, edge)
    high = np.where((bound & ~far)[:, None], middle - HALF_MARGIN, PICTURE_SIDE - edge)
    candidates = low + u * (high - low)
    centre, ok = candidates[:, :, 0].copy(), np.ones(batch, bool)
    for j in range(1, most):
        clear = np.ones(candidates[:, j].shape[:2], bool)  # one object before at a time: reducing short axes is slow
        for k in range(j):
            x, y = np.abs(candidates[:, j] - centre[:, None, k]).transpose(2, 0, 1)
            clear &= np.maximum(x, y) >= (radius[:, j] + radius[:, k] + GAP)[:, None]
        centre[:, j] = candidates[np.arange(batch), j, clear.argmax(-1)]
        ok &= clear.any(-1) | (j >= count)
    return centre, ok


# Backgrounds vary little within a name: what no caption can tell takes a share of what a head has to learn.
SHADE, TINT = 0.04, 0.02  # largest strength of a gradient, range of a channel around its name's colour


def _backdrop(u: Floats, request: Request | None) -> tuple[Ints, Floats]:
    kind = (u[:, 0] * len(BACKGROUND_NAMES)).astype(np.int64)
    if request is not None and request.background != FREE:
        kind = np.full_like(kind, request.background)
    base = np.array([BACKGROUNDS[b] for b in BACKGROUND_NAMES])[kind] + (u[:, 1:4] - 0.5) * TINT
    direction, strength = 2 * np.pi * u[:, 4], SHADE * u[:, 5]
    return kind, np.concatenate([base, np.stack([direction, strength], -1)], -1)
