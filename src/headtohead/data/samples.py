"""What a sample is to a run: its caption with its picture, or with the features that were made of the picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from headtohead.data.order import falls
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.images import PictureError, square
from headtohead.data.shards.index import Trouble
from headtohead.data.shards.reader import Found, Reader


class Wanted(NamedTuple):
    shard: int
    row: int
    source: str  # of its caption
    x: float = 0.5  # where it is cut, as shares of what is to spare
    y: float = 0.5


class Sample(NamedTuple):
    caption: str
    x_1: Tensor


class View(Protocol):
    """Of one corpus, in one process."""

    def read(self, wanted: Sequence[Wanted]) -> list[Sample | Trouble]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Pictures:
    """A corpus as pictures of (3, size, size) bytes."""

    corpus: Corpus
    captions: Captions
    size: int

    def view(self, most: int) -> View:
        return _Pictures(self, Reader(self.corpus, most))


class _Pictures:
    def __init__(self, source: Pictures, reader: Reader) -> None:
        self.source, self.reader = source, reader

    def read(self, wanted: Sequence[Wanted]) -> list[Sample | Trouble]:
        found = self.reader.fetch([w[:2] for w in wanted], ("picture", *self.source.captions.parts))
        return [self._sample(f, w) for f, w in zip(found, wanted, strict=True)]

    def _sample(self, found: Found | Trouble, wanted: Wanted) -> Sample | Trouble:
        caption = captioned(found, wanted.source)
        if isinstance(found, Trouble) or isinstance(caption, Trouble):
            return found if isinstance(found, Trouble) else caption  # type: ignore[return-value]
        try:
            picture = square(found.data["picture"], self.source.size, wanted.x, wanted.y)
        except PictureError as error:
            return Trouble(found.shard, found.names["picture"], "no picture", str(error))
        return Sample(caption, torch.from_numpy(picture.copy()).permute(2, 0, 1).contiguous())

    def close(self) -> None:
        self.reader.close()


def captioned(found: Found | Trouble, source: str) -> str | Trouble:
    if isinstance(found, Trouble):
        return found
    try:
        return told(source, found.data)
    except CaptionError as error:
        name = next(iter(found.names.values()), "a sample")
        return Trouble(found.shard, name, "no caption", str(error))


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
