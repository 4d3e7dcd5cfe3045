"""The letters of shapes, and what travels between the parts.

B  pictures in a batch          N  image tokens a picture (16 here; 64 of CLIP and 1,024 of the VAE in the paper)
D  channels of an image token   Q  learnable queries
W  width of the language model  L  prompt tokens
x_1 (B, N, D) image tokens, standardised;  x_0 noise;  x_t between them;  t (B,) from noise (0) to data (1)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """What the query encoder says of the prompts: its final states at the query positions."""

    states: Tensor  # (B, Q, W)

    def dropped(self, keep: Tensor) -> Condition:
        """The condition replaced by nothing (zeros) where `keep` (B,) is false: what guidance compares with."""
        return Condition(self.states * keep[:, None, None].to(self.states))


@dataclass(frozen=True)
class Grid:
    """How N image tokens lie in the picture."""

    rows: int
    columns: int
    channels: int  # D

    @property
    def tokens(self) -> int:
        return self.rows * self.columns
