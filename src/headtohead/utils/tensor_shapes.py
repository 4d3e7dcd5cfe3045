"""The letters of shapes, and the types that models, objectives and codecs exchange.

B  pictures in a batch          N  image tokens a picture (16 here; 64 of CLIP and 1,024 of the VAE in the paper)
D  channels of an image token   Q  learnable queries
W  width of the language model  L  prompt tokens
x_1 (B, N, D) image tokens, standardised;  x_0 noise;  x_t between them;  t (B,) from noise (0) to data (1)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def mean_and_std(parts: Iterable[Tensor], least: float) -> tuple[Tensor, Tensor]:
    """Mean and deviation (...) over the rows of all parts, summed in double precision.

    parts  (B, ...) each
    least  variance
    """
    n, total, squares = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        rows = part.double()
        n, total, squares = n + len(rows), rows.sum(0) + total, rows.square().sum(0) + squares
    mean = total / n
    return mean.float(), (squares / n - mean.square()).clamp(min=least).sqrt().float()


@dataclass(frozen=True)
class Condition:
    """The query encoder's final hidden states at the query positions."""

    states: Tensor  # (B, Q, W)

    def dropped(self, keep: Tensor) -> Condition:
        """Zeros instead of the states where `keep` (B,) is false, as classifier-free guidance needs."""
        return Condition(self.states * keep[:, None, None].to(self.states))

    def rows(self, order: NDArray[np.int64]) -> Condition:
        """The states of other rows (B,), in this order."""
        return Condition(self.states[torch.from_numpy(order).to(self.states.device)])


@dataclass(frozen=True)
class ContinuousTokens:
    """Image tokens as vectors: latents or features, standardised."""

    tokens: Tensor  # (B, N, D), floating point


@dataclass(frozen=True)
class DiscreteCodes:
    """Image tokens as entries of a codebook."""

    tokens: Tensor  # (B, N), whole numbers


@dataclass(frozen=True)
class TextAnswers:
    """Answers to questions about a picture, as token ids of the language model."""

    tokens: Tensor  # (B, L), whole numbers
    mask: Tensor  # (B, L), true where a token belongs to the answer


Target = ContinuousTokens | DiscreteCodes | TextAnswers


@dataclass(frozen=True)
class Grid:
    """N image tokens of D channels, in rows and columns of the picture."""

    rows: int
    columns: int
    channels: int  # D

    @property
    def tokens(self) -> int:
        return self.rows * self.columns

    def target(self, tokens: Tensor) -> Target:
        """Image tokens (B, N, D) of a codec with this grid as an objective's target."""
        return ContinuousTokens(tokens)

    def example(self, number: int) -> Target:
        """A target of so many pictures, of zeros: for what needs shapes alone."""
        return self.target(torch.zeros(number, self.tokens, self.channels))


@dataclass(frozen=True)
class CodeGrid(Grid):
    """N image tokens that are entries of a codebook; a head gives `channels` logits for each."""

    def target(self, tokens: Tensor) -> Target:
        """Codes (B, N) of a codec with this grid as an objective's target."""
        return DiscreteCodes(tokens)

    def example(self, number: int) -> Target:
        return self.target(torch.zeros(number, self.tokens, dtype=torch.long))
