"""What a head is: its loss and its sampler, side by side, so that they cannot drift apart."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from headtohead.config.run_config import Sampling
from headtohead.models.objectives.noise import Draws
from headtohead.utils.tensor_shapes import Condition


class GenerationHead(Protocol):
    draws: bool  # whether samples are drawn, so that guidance and solver mean something

    def loss(self, x_1: Tensor, condition: Condition, draws: Draws) -> Tensor:
        """Mean loss of predicting image tokens x_1 (B, N, D) under a condition."""
        ...

    def held_out(self, x_1: Tensor, x_0: Tensor, condition: Condition) -> dict[str, float]:
        """The loss on data that was not trained on, part by part (a flow's by t)."""
        ...

    def sample(self, condition: Condition, x_0: Tensor, how: Sampling) -> Tensor:
        """Image tokens (B, N, D) for a condition, from noise x_0 (B, N, D)."""
        ...
