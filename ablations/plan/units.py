"""Numbers of a plan with their units, as people read them."""

from __future__ import annotations

from ablations.plan.one_design.accelerators import GIB

_PREFIXES = (("Z", 1e21), ("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


def flops(value: float) -> str:
    name, size = next(((n, s) for n, s in _PREFIXES if value >= s), ("", 1.0))
    return f"{value / size:.3g} {name}" if value else "-"


def many(value: float) -> str:
    """Parameters."""
    if not value:
        return "-"
    return f"{value / 1e9:.3f} B" if value >= 1e8 else f"{value / 1e6:.2f} M"


def gib(value: float) -> str:
    size = value / GIB
    return "-" if not value else f"{size:,.1f}" if size >= 0.1 else f"{size:.3f}"


def hours(value: float) -> str:
    if not value:
        return "-"
    if value < 0.01:
        return f"{3600 * value:.2g} s"
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"


def gpu_hours(value: float) -> str:
    """In a sentence."""
    text = hours(value)
    return f"{text} of a GPU" if text.endswith(" s") else f"{text} GPU-hours"


def duration_of(hours_: float) -> str:
    days, rest = divmod(round(hours_), 24)
    if days:
        return f"{days:,} d {rest} h"
    minutes = hours_ * 60
    if minutes >= 90:
        return f"{hours_:.1f} h"
    return f"{minutes:.0f} min" if minutes >= 1.5 else f"{minutes * 60:.0f} s"
