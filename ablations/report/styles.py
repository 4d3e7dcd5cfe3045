"""Colour, marker and dash of each design in all figures; no information is in colour alone.

The colours are those of Okabe and Ito, distinct for all kinds of colour vision, with light ones darkened for a white
background; `page.css` has their counterparts for dark screens.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import NamedTuple

from ablations.analysis.curves import order
from headtohead.config.design import DESIGNS

COLOURS = ("#c8500a", "#0067a5", "#008060", "#a0529d", "#9a6a00", "#2f8fc4", "#7a4b32", "#5f6670")
MARKERS = ("o", "s", "^", "D", "v", "P")  # matplotlib's names of the shapes in PATHS
PATHS = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "M-3.6,-3.6h7.2v7.2h-7.2z",
    "M0,-4.8L4.5,3.4H-4.5z",
    "M0,-5L5,0L0,5L-5,0z",
    "M0,4.8L4.5,-3.4H-4.5z",
    "M-1.6,-4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",
)
# How a reader says what one setting of a variant is; others are shown as key and value.
WORDS = {
    "design.backbone=trained": "language model trained",
    "design.backbone=frozen": "language model frozen",
    "design.representation=clip_blind": "tower trained without captions",
    "design.representation=clip_untrained": "untrained tower",
}
HATCHES = ("", "/////", ".....", "xxxxx")
DASHES = ((), (6, 3), (2, 3), (9, 3, 2, 3))


def label(design: str) -> str:
    """A design's name as people read it: clip_flow+design.backbone=trained is clip_flow, language model trained."""
    base, *settings = design.split("+")
    return ", ".join([base, *(WORDS.get(setting, setting.replace("=", " ")) for setting in settings)])


class Look(NamedTuple):
    number: int
    variant: int = 0  # number of the variant of a design, whose colour it shares

    @property
    def shade(self) -> int:
        """Index of the colour in the palette; the report's CSS defines its value."""
        return self.number % len(COLOURS)

    @property
    def colour(self) -> str:
        return COLOURS[self.shade]

    @property
    def marker(self) -> str:
        return MARKERS[self._mark]

    @property
    def path(self) -> str:
        return PATHS[self._mark]

    @property
    def _mark(self) -> int:
        return (self.number + 2 * self.variant) % len(MARKERS)

    @property
    def dash(self) -> tuple[int, ...]:
        return DASHES[(self.number // len(COLOURS) + self.variant) % len(DASHES)]

    @property
    def hatch(self) -> str:
        """Fill pattern of bars, which corresponds to the dash of lines."""
        return HATCHES[self.variant % len(HATCHES)]


def looks(designs: Iterable[str]) -> dict[str, Look]:
    """Looks by design; a declared design has the same look in all figures.

    A few variants of a design share its colour and differ by dash. If there are more variants than dashes, they take
    the unused looks in order.
    """
    fixed = {name: k for k, name in enumerate(DESIGNS)}
    by: dict[str, list[str]] = {}
    for name in sorted(set(designs), key=order):
        by.setdefault(name.split("+")[0], []).append(name)
    out: dict[str, Look] = {}
    others: list[str] = []
    for base, names in by.items():
        variants = [name for name in names if name != base]
        if base in fixed and base in names:
            out[base] = Look(fixed[base])
        if base in fixed and len(variants) < len(DASHES):
            out |= {name: Look(fixed[base], k) for k, name in enumerate(variants, 1)}
        else:
            others += [name for name in names if name not in out]
    taken = {look.number for look in out.values()}
    free = (k for k in count() if k not in taken)
    return out | {name: Look(k) for name, k in zip(others, free, strict=False)}
