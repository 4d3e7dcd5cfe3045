"""A training sample: a caption with its picture, or with the features that were computed from the picture."""

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
    """Address of a sample in its corpus, and which variant of it to return.

    shard, row  place in the corpus
    source      of the caption: `txt` or `json:KEY`
    x, y        position of the square crop, as shares of the margin; 0.5 is the centre
    pick        which caption, where KEY holds a list: a share in [0, 1) of its length
    """

    shard: int
    row: int
    source: str
    x: float = 0.5
    y: float = 0.5
    pick: float = 0.0


class Sample(NamedTuple):
    caption: str
    x_1: Tensor  # (3, H, W) bytes, or (N, D) features


class View(Protocol):
    """One process's reader of one corpus."""

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
        caption = caption_of(found, wanted)
        if isinstance(found, Trouble) or isinstance(caption, Trouble):
            return found if isinstance(found, Trouble) else caption  # type: ignore[return-value]
        try:
            picture = square(found.data["picture"], self.source.size, wanted.x, wanted.y)
        except PictureError as error:
            return Trouble(found.shard, found.names["picture"], "no picture", str(error))
        return Sample(caption, torch.from_numpy(picture.copy()).permute(2, 0, 1).contiguous())

    def close(self) -> None:
        self.reader.close()


def caption_of(found: Found | Trouble, wanted: Wanted) -> str | Trouble:
    """The caption of a sample that was read, or why there is none."""
    if isinstance(found, Trouble):
        return found
    try:
        return _caption(wanted.source, found.data, wanted.pick)
    except CaptionError as error:
        name = next(iter(found.names.values()), "a sample")
        return Trouble(found.shard, name, "no caption", str(error))


class CaptionError(ValueError):
    """The sample lacks the caption that the mix names."""


@dataclass(frozen=True)
class Captions:
    """Where a corpus keeps its captions.

    detailed  `txt` or `json:KEY`
    short     the same for short captions; empty where there are none
    share     of the samples that are shown with a short caption
    """

    detailed: str
    short: str = ""
    share: Fraction = Fraction(0)

    @property
    def parts(self) -> tuple[str, ...]:
        """The members of a sample that hold them, such as ("txt", "json")."""
        return tuple({part(source): None for source in (self.detailed, self.short) if source})

    def source(self, position: int) -> str:
        """Which of the two a position of the corpus's order shows; the short ones are spread evenly."""
        return self.short if self.share and falls(position, self.share) else self.detailed


def part(source: str) -> str:
    return source.partition(":")[0]


def _caption(source: str, data: dict[str, bytes], pick: float) -> str:
    own, _, key = source.partition(":")
    if own not in data:
        raise CaptionError(f"has no .{own} with text beside it")
    try:
        text = data[own].decode("utf-8")
        caption = json.loads(text)[key] if key else text
        if isinstance(caption, list):
            caption = caption[int(pick * len(caption))]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise CaptionError(f"its .{own} holds no {key or 'UTF-8 text'}") from None
    if not isinstance(caption, str) or not caption.strip():
        raise CaptionError(f"its .{own} has an empty {key or 'caption'}")
    return caption.strip()
