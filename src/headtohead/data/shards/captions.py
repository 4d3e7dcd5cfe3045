"""Which of a sample's captions is told: the detailed one, or the short one where the share of a mix says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction

from headtohead.data.shards.order import falls


class CaptionError(ValueError):
    """A sample without the caption that was asked for."""


@dataclass(frozen=True)
class Captions:
    """Of one corpus; `share` of its samples are told by the short ones."""

    detailed: str
    short: str = ""
    share: Fraction = Fraction(0)

    @property
    def parts(self) -> tuple[str, ...]:
        """The members that are read for them."""
        return tuple({part(source): None for source in (self.detailed, self.short) if source})

    def source(self, position: int) -> str:
        return self.short if self.share and falls(position, self.share) else self.detailed


def part(source: str) -> str:
    return source.partition(":")[0]


def told(source: str, data: dict[str, bytes]) -> str:
    """The caption of `txt` or `json:KEY`."""
    own, _, key = source.partition(":")
    if own not in data:
        raise CaptionError(f"has no .{own} beside it that tells anything")
    try:
        text = data[own].decode("utf-8")
        caption = json.loads(text)[key] if key else text
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CaptionError(f"its .{own} holds no {key or 'UTF-8 text'}") from None
    if not isinstance(caption, str) or not caption.strip():
        raise CaptionError(f"its .{own} has an empty {key or 'caption'}")
    return caption.strip()
