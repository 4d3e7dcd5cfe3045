"""How a design looks wherever it is shown: colour, marker and dash together, so that nobody has to tell colours apart.

The colours are Okabe and Ito's, which people with any colour vision can tell apart, the light ones darkened to stand
out on white; `page.css` has their counterparts for dark screens.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ablations.curves import order
from headtohead.design import DESIGNS

COLOURS = ("#c8500a", "#0067a5", "#008060", "#a0529d", "#9a6a00", "#2f8fc4", "#7a4b32", "#5f6670")
MARKERS = ("o", "s", "^", "D", "v", "P")  # matplotlib's names of what PATHS draws
PATHS = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "M-3.6,-3.6h7.2v7.2h-7.2z",
    "M0,-4.8L4.5,3.4H-4.5z",
    "M0,-5L5,0L0,5L-5,0z",
    "M0,4.8L4.5,-3.4H-4.5z",
    "M-1.6,-4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",
)
DASHES = ((), (6, 3), (2, 3), (9, 3, 2, 3))


class Look(NamedTuple):
    number: int

    @property
    def shade(self) -> int:
        """Which of the palette's colours; a page gives it the value."""
        return self.number % len(COLOURS)

    @property
    def colour(self) -> str:
        return COLOURS[self.shade]

    @property
    def marker(self) -> str:
        return MARKERS[self.number % len(MARKERS)]

    @property
    def path(self) -> str:
        return PATHS[self.number % len(PATHS)]

    @property
    def dash(self) -> tuple[int, ...]:
        return DASHES[self.number // len(COLOURS) % len(DASHES)]


def looks(designs: Iterable[str]) -> dict[str, Look]:
    """A declared design looks the same everywhere; variants take the looks that are left, in their order."""
    fixed = {name: k for k, name in enumerate(DESIGNS)}
    named = sorted(set(designs), key=order)
    taken = {fixed[d] for d in named if d in fixed}
    others = [d for d in named if d not in fixed]
    free = [k for k in range(len(fixed) + len(named)) if k not in taken]
    return {d: Look(fixed[d]) for d in named if d in fixed} | {d: Look(k) for d, k in zip(others, free, strict=False)}
