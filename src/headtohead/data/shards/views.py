"""What a sample is to a run: its caption with its picture, or with the features that were made of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from headtohead.data.shards.captions import CaptionError, Captions, told
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.index import Trouble
from headtohead.data.shards.pictures import PictureError, square
from headtohead.data.shards.reading import Found, Reader


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
