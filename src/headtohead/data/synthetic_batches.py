"""Training data of a run: pictures encoded once and kept, captions told anew at every epoch.

What step k shows is a function of (seed, k): a run resumes at any step without having counted its way there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import IterableDataset

from headtohead.data.order import Portion
from headtohead.synthetic.captions import captions
from headtohead.synthetic.dataset import world
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw
from headtohead.utils import files
from headtohead.utils.files import fingerprint

STREAM = 101  # the training pictures of every run; foundations learn from other streams
AT_ONCE = 256
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Source:
    """What was encoded by what, in which precision: the key of the cache."""

    encoder: str
    pictures: int
    dtype: torch.dtype = torch.float16

    @property
    def key(self) -> str:
        return fingerprint([self.encoder, world(), STREAM, self.pictures, str(self.dtype)])


def encoded(source: Source, encode: Encode, folder: Path, device: str, say: Callable[[str], None]) -> Tensor:
    """(pictures, N, D) from the cache, or computed and kept there."""
    path = folder / f"{source.key}.safetensors"
    if not path.exists():
        say(f"encoding {source.pictures:,} pictures once -> {path}")
        parts = []
        for start in range(0, source.pictures, AT_ONCE):
            index = np.arange(start, min(start + AT_ONCE, source.pictures))
            parts.append(encode(render(draw(STREAM, index), device)).to("cpu", source.dtype))
            if (start // AT_ONCE) % 16 == 15:
                say(f"  {start + len(index):,} of {source.pictures:,}")
        folder.mkdir(parents=True, exist_ok=True)
        with files.beside(path) as part:
            save_file({"tokens": torch.cat(parts).contiguous()}, part)
    with safe_open(path, "pt") as f:
        tokens: Tensor = f.get_tensor("tokens")
    return tokens


class StepBatch(NamedTuple):  # Lightning moves tuples to the device, frozen dataclasses it refuses
    captions: list[str]
    x_1: Tensor  # (B, N, D) image tokens, or (B, 3, H, W) pictures that are encoded on the way
    start: int = 0  # of its rows in the step's global batch


class Steps(IterableDataset[StepBatch]):
    """Batches from step `start` on, in an order that only the seed decides."""

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
        self.shares = (1 - dense, 0.0, dense)
        self.scenes = draw(STREAM, np.arange(len(tokens)))

    def rows(self, step: int) -> tuple[int, np.ndarray]:
        """The epoch of a step and the pictures it shows; an incomplete last batch of an epoch is left out."""
        a_epoch = len(self.tokens) // self.batch
        epoch, at = divmod(step, a_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.tokens))
        return epoch, order[at * self.batch : (at + 1) * self.batch]

    def at(self, step: int, first: int = 0) -> StepBatch:
        epoch, rows = self.rows(step)
        rows = rows[first : first + self.portion.at_once]
        told = captions(self.scenes[rows], self.seed * 100_003 + epoch, rows, self.shares)
        return StepBatch(told, self.tokens[torch.from_numpy(rows)].float(), first)

    def __iter__(self) -> Iterator[StepBatch]:
        for step in range(self.start, self.stop):
            for first in self.portion.starts:
                yield self.at(step, first)
