"""Features of a corpus, computed once by a frozen encoder and cached: one file per shard, one row per sample.

A file is plain safetensors: `tokens` (samples, N, D), and for each row a checksum and whether its picture could be
decoded. The folder is named by the hash of what determines its content: encoder, preprocessing, dtype and corpus.
"""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from headtohead.data.shards import locations
from headtohead.data.shards.corpus import Corpus
from headtohead.data.shards.images import PictureError, square
from headtohead.data.shards.index import Trouble
from headtohead.data.shards.locations import ShardError
from headtohead.data.shards.reader import Found, Reader
from headtohead.utils import files
from headtohead.utils.files import fingerprint

Encode = Callable[[Tensor], Tensor]  # pictures (B, 3, H, W) in [0, 1] -> (B, N, D)
ABOUT = "about.json"
DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


@dataclass(frozen=True)
class Recipe:
    """What determines the features of a corpus.

    encoder  its key: name and hash of its weights
    size     side in pixels of the square it encodes, cropped at the centre
    """

    corpus: Corpus
    encoder: str
    size: int
    dtype: torch.dtype = torch.bfloat16

    @property
    def key(self) -> str:
        return fingerprint([self.encoder, "square, centre", self.size, str(self.dtype), self.corpus.fingerprint])


@dataclass(frozen=True)
class Shape:
    """Shape (tokens, dim) and dtype of one sample's features."""

    tokens: int
    dim: int
    dtype: torch.dtype

    @property
    def row(self) -> int:
        """Bytes of a sample."""
        return self.tokens * self.dim * self.dtype.itemsize

    def header(self, samples: int) -> bytes:
        """The safetensors header of a file with `samples` rows; checksums come first, to keep the tokens aligned."""
        ends = np.cumsum([0, 4 * samples, samples * self.row, samples]).tolist()
        tokens = [samples, self.tokens, self.dim]
        entries = (("crc", "U32", [samples]), ("tokens", DTYPES[self.dtype], tokens), ("sound", "U8", [samples]))
        plain = {
            name: {"dtype": dtype, "shape": shape, "data_offsets": ends[k : k + 2]}
            for k, (name, dtype, shape) in enumerate(entries)
        }
        text = json.dumps(plain).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text

    def bytes(self, samples: int) -> int:
        """Size of a file with `samples` rows."""
        return len(self.header(samples)) + samples * (self.row + 5)


def file(folder: str, shard: int) -> str:
    """Path of the features of shard number `shard`."""
    return f"{folder}/{shard:06d}.safetensors"


def size_of(corpus: Corpus, shape: Shape) -> str:
    """What the features of a corpus take, in words."""
    total = sum(shape.bytes(s.samples) for s in corpus.shards)
    dtype = str(shape.dtype).removeprefix("torch.")
    return f"features of {corpus.samples:,} pictures, {shape.tokens} x {shape.dim} in {dtype}: {in_bytes(total)}"


def in_bytes(number: float) -> str:
    """In words: 512 B, 5.73 TB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB"


def cache_features(
    recipe: Recipe, encode: Encode, folder: Path, *, device: str = "cpu", batch: int = 64, rank: int = 0,
    ranks: int = 1, say: Callable[[str], None] = print, quiet: bool = True,
) -> Path:  # fmt: skip
    """Encode the shards of a corpus that are not cached yet, and return the folder that holds them.

    encode       pictures (B, 3, H, W) in [0, 1] to features (B, N, D)
    folder       of all caches; this one's subfolder is the recipe's key
    batch        pictures of a forward pass
    rank, ranks  this process's number and how many share the shards
    say          called with lines for the user
    quiet        no progress bar
    """
    own = folder / recipe.key
    todo = [k for k in range(len(recipe.corpus.shards)) if not Path(file(str(own), k)).exists()]
    if not todo:
        return own
    writer = _Writer(recipe, encode, device, batch)
    say(f"{size_of(recipe.corpus, writer.shape)} -> {own}")
    _room(own, sum(writer.shape.bytes(recipe.corpus.shards[k].samples) for k in todo))
    own.mkdir(parents=True, exist_ok=True)
    about = {
        "encoder": recipe.encoder, "size": recipe.size, "dtype": DTYPES[recipe.dtype], "tokens": writer.shape.tokens,
        "dim": writer.shape.dim, "corpus": recipe.corpus.fingerprint, "samples": recipe.corpus.samples,
    }  # fmt: skip
    locations.write(str(own / ABOUT), json.dumps(about, indent=1).encode() + b"\n")
    mine = [k for k in todo if k % ranks == rank]
    with tqdm(total=sum(recipe.corpus.shards[k].samples for k in mine), unit="picture", disable=quiet) as bar:
        for shard in mine:
            for trouble in writer.write(shard, Path(file(str(own), shard)), bar.update):
                say(str(trouble))
    return own


def _room(folder: Path, needed: int) -> None:
    """Raise when the disk is too small, before the encoder has run for days."""
    above = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(above).free
    if needed > free:
        raise ShardError(f"{folder}: {in_bytes(needed)} are needed there, but {in_bytes(free)} are free")


class _Writer:
    def __init__(self, recipe: Recipe, encode: Encode, device: str, batch: int) -> None:
        self.recipe, self.encode, self.device, self.batch = recipe, encode, device, batch
        with torch.no_grad():
            tokens = encode(torch.zeros(1, 3, recipe.size, recipe.size, device=device))
        self.shape = Shape(tokens.shape[1], tokens.shape[2], recipe.dtype)

    def write(self, shard: int, path: Path, done: Callable[[int], object]) -> list[Trouble]:
        """Write the file of one shard, batch by batch; it appears once it is complete.

        done  called with the number of rows after each batch
        """
        samples = self.recipe.corpus.shards[shard].samples
        head = self.shape.header(samples)
        crc, sound = np.zeros(samples, np.uint32), np.zeros(samples, np.uint8)
        troubles: list[Trouble] = []
        reader = Reader(self.recipe.corpus, 1)
        try:
            with files.beside(path) as part, part.open("wb") as f:
                f.write(head + crc.tobytes())
                for start in range(0, samples, self.batch):
                    rows = range(start, min(start + self.batch, samples))
                    pictures, wrong = self._pictures(reader, shard, rows)
                    troubles += wrong
                    for row, data in zip(rows, self._encoded(pictures), strict=True):
                        f.write(data)
                        crc[row], sound[row] = zlib.crc32(data), pictures[row - start] is not None
                    done(len(rows))
                f.write(sound.tobytes())
                f.seek(len(head))
                f.write(crc.tobytes())
        except OSError as error:
            raise ShardError(f"{path}: cannot be written ({error.strerror})") from None
        finally:
            reader.close()
        return troubles

    def _pictures(self, reader: Reader, shard: int, rows: range) -> tuple[list[Tensor | None], list[Trouble]]:
        pictures: list[Tensor | None] = []
        troubles = []
        for found in reader.fetch([(shard, row) for row in rows], ("picture",)):
            made = _picture(found, self.recipe.size)
            pictures.append(None if isinstance(made, Trouble) else made)
            if isinstance(made, Trouble):
                troubles.append(made)
        return pictures, troubles

    def _encoded(self, pictures: list[Tensor | None]) -> list[bytes]:
        """The bytes of each picture's row; zeros where there is no picture."""
        sound = [p for p in pictures if p is not None]
        rows: list[bytes] = []
        if sound:
            with torch.no_grad():
                tokens = self.encode(torch.stack(sound).to(self.device).float() / 255)
            tokens = tokens.to("cpu", self.shape.dtype).contiguous()
            if tokens.shape[1:] != (self.shape.tokens, self.shape.dim):
                raise ShardError(f"features: {tuple(tokens.shape[1:])} where others are {self.shape}")
            if not tokens.isfinite().all():  # also where the dtype overflows
                raise ShardError(f"features: not finite in {self.shape.dtype}")
            rows = [row.tobytes() for row in tokens.view(torch.uint8).numpy()]
        given = iter(rows)
        return [bytes(self.shape.row) if p is None else next(given) for p in pictures]


def _picture(found: Found | Trouble, size: int) -> Tensor | Trouble:
    if isinstance(found, Trouble):
        return found
    try:
        return torch.from_numpy(square(found.data["picture"], size).copy()).permute(2, 0, 1)
    except PictureError as error:
        return Trouble(found.shard, found.names["picture"], "no picture", str(error))
