"""Random access to cached features, in the order in which their pictures would be read; captions come from the shards.

A folder of features may lie on any file system that shards may.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from headtohead.data.feature_cache.write import ABOUT, Recipe, Shape, file
from headtohead.data.mixture import Mix
from headtohead.data.samples import Captions, Sample, View, Wanted, caption_of
from headtohead.data.shards import locations, reader
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.index import Trouble
from headtohead.data.shards.locations import ShardError
from headtohead.data.shards.reader import File, Range, Reader, Recent


@dataclass(frozen=True)
class Features:
    """A corpus as features (N, D) of its pictures."""

    corpus: Corpus
    captions: Captions
    folder: str
    shape: Shape

    def view(self, most: int) -> View:
        return _Features(self, most)


def opened(recipe: Recipe, captions: Captions, folder: str) -> Features:
    """Open the cached features of a recipe; raises when some are missing.

    captions  which of the corpus's captions to read
    folder    that `make cache` wrote
    """
    own = f"{folder.rstrip('/')}/{recipe.key}"
    about = locations.read(f"{own}/{ABOUT}")
    if about is None:
        raise ShardError(f"{own}: no features of this encoder, size, dtype and corpus; make cache makes them")
    try:
        plain = json.loads(about)
        shape = Shape(plain["tokens"], plain["dim"], recipe.dtype)
    except (ValueError, KeyError, TypeError):
        raise ShardError(f"{own}/{ABOUT}: is damaged; remove it, and make cache continues") from None
    fs, path = locations.resolve(own)
    there = {str(name).rsplit("/", 1)[-1] for name in fs.ls(path, detail=False)}
    missing = [k for k in range(len(recipe.corpus.shards)) if file("", k)[1:] not in there]
    if missing:
        made = len(recipe.corpus.shards) - len(missing)
        raise ShardError(f"{own}: {made} of {len(recipe.corpus.shards)} files are there; make cache makes the others")
    return Features(recipe.corpus, captions, own, shape)


def as_features(mix: Mix, recipes: Sequence[Recipe], folder: str) -> Mix:
    """The mix with cached features in place of its pictures; raises for random crops, which the cache does not have.

    recipes  one per corpus
    folder   that `make cache` wrote
    """
    if mix.random_crop:
        raise ShardError("crop: random, but cached features were made of pictures cut at the centre")
    pairs = zip(mix.sources, recipes, strict=True)
    return replace(mix, sources=[opened(recipe, source.captions, folder) for source, recipe in pairs])


class _File:
    """An open file of features of one shard, with the checksums of its rows."""

    def __init__(self, address: str, samples: int, shape: Shape) -> None:
        self.file, self.shape = File(address), shape
        head = shape.header(samples)
        self.begin = len(head) + 4 * samples
        end = self.begin + samples * shape.row
        parts = [Range(self.file, 0, self.begin), Range(self.file, end, end + samples)]
        first, sound = reader.read(parts)
        if first[: len(head)] != head or len(sound) != samples:
            raise ShardError(f"{address}: is damaged; remove it, and make cache makes it again")
        self.crc = np.frombuffer(first[len(head) :], np.uint32)
        self.sound = np.frombuffer(sound, np.uint8)

    def range(self, row: int) -> Range:
        start = self.begin + row * self.shape.row
        return Range(self.file, start, start + self.shape.row)

    def close(self) -> None:
        self.file.close()


class _Features:
    def __init__(self, source: Features, most: int) -> None:
        self.source, self.texts = source, Reader(source.corpus, most)
        self.files = Recent(most, self._file)

    def _file(self, number: int) -> _File:
        return _File(file(self.source.folder, number), self.source.corpus.shards[number].samples, self.source.shape)

    def read(self, wanted: Sequence[Wanted]) -> list[Sample | Trouble]:
        out: list[Sample | Trouble] = []
        found = self.texts.fetch([w[:2] for w in wanted], self.source.captions.parts)
        for texts, w, tokens in zip(found, wanted, self._tokens(wanted), strict=True):
            caption = caption_of(texts, w)
            if isinstance(caption, Trouble):
                out.append(caption)
            elif isinstance(tokens, Trouble):
                out.append(tokens)
            else:
                out.append(Sample(caption, tokens))
        return out

    def _tokens(self, wanted: Sequence[Wanted]) -> list[Tensor | Trouble]:
        """Features (N, D) of each sample. Read file by file, to bound how many are open; remote ones in parallel."""
        out: dict[int, Tensor | Trouble] = {}
        far: list[tuple[int, _File]] = []
        for k in sorted(range(len(wanted)), key=lambda k: wanted[k].shard):
            own = self.files[wanted[k].shard]
            if own.file.descriptor is None:
                far.append((k, own))
            else:
                out[k] = _row(own, wanted[k].row, reader.read([own.range(wanted[k].row)])[0])
        read = reader.read([own.range(wanted[k].row) for k, own in far])
        for (k, own), data in zip(far, read, strict=True):
            out[k] = _row(own, wanted[k].row, data)
        return [out[k] for k in range(len(wanted))]

    def close(self) -> None:
        self.texts.close()
        self.files.close()


def _row(own: _File, row: int, data: bytes) -> Tensor | Trouble:
    if not own.sound[row]:
        return Trouble(own.file.address, f"row {row}", "no picture", "there was no picture to encode")
    if len(data) != own.shape.row or zlib.crc32(data) != own.crc[row]:
        return Trouble(own.file.address, f"row {row}", "damaged features", "is damaged: its checksum differs")
    tokens = torch.frombuffer(bytearray(data), dtype=own.shape.dtype)
    return tokens.view(own.shape.tokens, own.shape.dim).float()
