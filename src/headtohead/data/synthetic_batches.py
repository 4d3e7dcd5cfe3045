"""Training batches of the synthetic dataset: pictures are encoded once and cached; each has two captions.

The samples of step k are a function of the seed and k, so a run can resume at any step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import IterableDataset

from headtohead.data.order import Portion
from headtohead.synthetic.captions.write import A_PICTURE, of_training
from headtohead.synthetic.dataset import captions_hash, pictures_hash
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.synthetic.splits import CAPTIONED
from headtohead.utils import files
from headtohead.utils.files import fingerprint

STREAM = 101  # seed of every run's training pictures; pretrained models use other ones
AT_ONCE = 64  # pictures; more of them leave a CPU's cache
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Source:
    """The key of the cache.

    encoder   its key: name and hash of its weights
    pictures  number of pictures of STREAM
    dtype     in which their tokens are kept
    """

    encoder: str
    pictures: int
    dtype: torch.dtype = torch.float16

    @property
    def key(self) -> str:
        return fingerprint([self.encoder, pictures_hash(CAPTIONED), STREAM, self.pictures, str(self.dtype)])


@cache
def _scenes(pictures: int) -> Scenes:
    """Those of the first pictures of every run, drawn once in a process."""
    return draw(STREAM, np.arange(pictures))


def encoded(source: Source, encode: Encode, folder: Path, device: str, say: Callable[[str], None]) -> Tensor:
    """Tokens (pictures, N, D), read from the cache or computed and written there.

    encode  pictures (B, 3, H, W) in [0, 1] to tokens (B, N, D)
    folder  of the cache
    device  on which pictures are rendered
    say     called with progress lines
    """
    path = folder / f"{source.key}.safetensors"
    if not path.exists():
        say(f"encoding {source.pictures:,} pictures once -> {path}")
        parts = []
        for start in range(0, source.pictures, AT_ONCE):
            index = np.arange(start, min(start + AT_ONCE, source.pictures))
            some = encode(render(_scenes(source.pictures)[index], device)).cpu()
            parts.append(some.to(source.dtype) if some.is_floating_point() else some)
            if (start // AT_ONCE) % 64 == 63:
                say(f"  {start + len(index):,} of {source.pictures:,}")
        folder.mkdir(parents=True, exist_ok=True)
        with files.beside(path) as part:
            save_file({"tokens": torch.cat(parts).contiguous()}, part)
    with safe_open(path, "pt") as f:
        tokens: Tensor = f.get_tensor("tokens")
    return tokens


@dataclass(frozen=True)
class Captions:
    """All captions of training: a finite set, each of which is read again and again.

    dense  share of those of several sentences
    """

    pictures: int
    dense: float

    def __len__(self) -> int:
        return self.pictures * A_PICTURE

    @property
    def key(self) -> str:
        return fingerprint([captions_hash(), STREAM, self.pictures, self.dense])

    def all(self) -> list[str]:
        rows, scenes = np.arange(self.pictures), _scenes(self.pictures)
        return [text for k in range(A_PICTURE) for text in of_training(scenes, STREAM, rows, k, self.dense)]


class StepBatch(NamedTuple):  # Lightning moves tuples to the device, frozen dataclasses it refuses
    captions: list[str]
    x_1: Tensor  # (B, N, D) image tokens, or (B, 3, H, W) pictures that are encoded on the way
    start: int = 0  # of its rows in the step's global batch


class Steps(IterableDataset[StepBatch]):
    """Batches in an order that depends on the seed alone.

    tokens       (pictures, N, D)
    batch        samples of a step, over all devices
    start, stop  first step and the step after the last
    dense        share of captions of several sentences
    portion      the device's rows of each step's batch; all of them when None
    """

    def __init__(
        self,
        tokens: Tensor,
        *,
        seed: int,
        batch: int,
        start: int,
        stop: int,
        dense: float,
        portion: Portion | None = None,
    ) -> None:
        if batch > len(tokens):
            raise ValueError(f"train.batch={batch} is more than data.pictures={len(tokens)}")
        self.tokens, self.seed, self.batch, self.start, self.stop = tokens, seed, batch, start, stop
        self.portion = portion or Portion.of(batch)
        self.dense = dense
        self.scenes = _scenes(len(tokens))

    def rows(self, step: int) -> tuple[int, np.ndarray]:
        """The epoch of a step and its pictures; an incomplete last batch of an epoch is left out."""
        a_epoch = len(self.tokens) // self.batch
        epoch, at = divmod(step, a_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.tokens))
        return epoch, order[at * self.batch : (at + 1) * self.batch]

    def at(self, step: int, first: int = 0) -> StepBatch:
        """The part of a step's batch that begins at row `first`."""
        epoch, rows = self.rows(step)
        rows = rows[first : first + self.portion.at_once]
        texts = of_training(self.scenes[rows], STREAM, rows, epoch, self.dense)
        return StepBatch(texts, self.tokens[torch.from_numpy(rows)], first)

    def __iter__(self) -> Iterator[StepBatch]:
        for step in range(self.start, self.stop):
            for first in self.portion.starts:
                yield self.at(step, first)
