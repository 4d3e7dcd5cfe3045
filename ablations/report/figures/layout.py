"""What figures of a report share: looks of lines, rows of panels with a legend below, lines of ceilings and floors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ablations.analysis.curves import Curve, Numbers, order
from ablations.report.styles import Look
from headtohead.records import ceilings

BOUND_DASHES = {"ceiling": "--", "oracle": "-.", "retrieval": (0, (1, 1)), "blind": ":"}
NEAR = 0.045  # of a panel's height: names of two bounds closer than this would overlap
NAME_WIDE, GAP = 0.0155, 0.02  # of a panel's width: a letter of a bound's name, and the space after it

HEADING: dict[str, Any] = {"fontsize": 10.5, "loc": "left", "y": 1.0}  # a fixed y saves a tenth of the drawing time
GREY = "#777777"
TITLE, LABEL, LINE = 0.3, 0.46, 0.17  # inches: above a panel, below it, height of a line of its legend
LETTER, SAMPLE = 0.06, 0.5  # inches: width of a letter in a legend, width of line sample and margins
MOST = 16  # designs of a sweep in a figure; more could not be distinguished


def line(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.marker, "ls": (0, look.dash) if look.dash else "-"}


def legible(found: list[Curve]) -> tuple[list[Curve], dict[str, str]]:
    """Curves of the first designs of each sweep, and the sweeps' names with a note where designs are left out."""
    first, names = set(), {}
    for sweep in _sweeps(found):
        designs = sorted({c.design for c in found if c.sweep == sweep}, key=order)
        first |= {(sweep, design) for design in designs[:MOST]}
        names[sweep] = f"{sweep}, {MOST} of {len(designs)} designs" if len(designs) > MOST else sweep
    return [c for c in found if (c.sweep, c.design) in first], names


def _sweeps(found: list[Curve]) -> list[str]:
    return sorted({c.sweep for c in found})


def plain(ax: Axes) -> None:
    """Remove the upper and right border, and draw a light grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(which="both", labelsize=8)
    ax.grid(alpha=0.2, lw=0.5)


def whiskers(values: Numbers) -> tuple[float, float]:
    """Distances from the mean of seeds to their minimum and maximum; at least 0 despite rounding."""
    return max(0.0, float(values.mean() - values.min())), max(0.0, float(values.max() - values.mean()))


class Rows:
    """A figure with a row of panels for each sweep, and the legend below the row, where it hides no curve.

    designs  names by row
    across   panels in a row
    wide     width of the figure in inches
    panel    height of a panel in inches
    left     left margin as a share of the width
    """

    def __init__(self, designs: Sequence[Sequence[str]], across: int, wide: float, panel: float, left: float) -> None:
        self.designs, self.panel, room = designs, panel, wide * (0.99 - left)
        self.columns = [next(k for k in range(len(names), 0, -1) if k == 1 or _wide(names, k) <= room)
                        for names in designs]  # fmt: skip
        below = LABEL + LINE * max(ceil(len(names) / k) for names, k in zip(designs, self.columns, strict=True)) + 0.05
        high = len(designs) * (TITLE + panel + below)
        self.figure = Figure(figsize=(wide, high))
        self.axes = self.figure.subplots(len(designs), across, squeeze=False)
        self.figure.subplots_adjust(
            left, below / high, 0.99, 1 - TITLE / high, wspace=0.2, hspace=(TITLE + below) / panel
        )

    def names(self, row: int) -> None:
        self.axes[row][0].legend(fontsize=8, frameon=False, ncols=self.columns[row], loc="upper left",
                                 bbox_to_anchor=(0, -LABEL / self.panel), borderpad=0, borderaxespad=0)  # fmt: skip


def _wide(names: Sequence[str], columns: int) -> float:
    """Width of a legend in inches; it is filled column by column."""
    deep = ceil(len(names) / columns)
    return sum(SAMPLE + LETTER * max(map(len, names[k : k + deep])) for k in range(0, len(names), deep))


def named_by_sweep(found: list[Curve], sweeps: Iterable[str]) -> list[list[str]]:
    return [sorted({c.design for c in found if c.sweep == sweep}, key=order) for sweep in sweeps]


def bounds(ax: Axes, metric: str, representations: Iterable[str]) -> None:
    """Draw ceilings, oracle means and floors as thin, named lines; limits that are to be fixed must be set before.

    ax               panel
    metric           key of a curve
    representations  of the designs shown
    """
    shown = sorted(ceilings.bounds(metric, representations), key=lambda b: -b.value)
    for bound in shown:
        ax.axhline(bound.value, color=GREY, lw=0.9, ls=BOUND_DASHES[bound.kind], zorder=1)
    ax.get_ylim()  # the limits follow the lines from here
    to_axes = ax.transData + ax.transAxes.inverted()
    set_: list[tuple[float, float]] = []  # height of a name, and where it ends
    for bound in shown:
        line = float(to_axes.transform((0, bound.value))[1])
        above, below = line + NEAR / 2, line - NEAR / 2
        crowded = any(abs(other - above) < NEAR for other, _ in set_)
        at = below if crowded and below > NEAR / 2 else above
        x = max([0.01, *(end for other, end in set_ if abs(other - at) < NEAR)])
        set_.append((at, x + NAME_WIDE * len(bound.name) + GAP))
        ax.text(x, at, bound.name, transform=ax.transAxes, va="center", fontsize=6.5, color=GREY, zorder=4,
                path_effects=[withStroke(linewidth=2, foreground="w")])  # fmt: skip
