"""Image tokens standardised by mean and deviation over a run's training pictures, where `codec.standardise` says so.

Codecs and caches keep their tokens x_1. The objective learns (x_1 - mean) / deviation, and its samples are turned back
before they are decoded. Its losses are then those of the standardised tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import Sampling
from headtohead.models.objectives.base import Objective
from headtohead.models.objectives.noise import Draws
from headtohead.utils.tensor_shapes import Condition, ContinuousTokens, mean_and_std

LEAST = 1e-4  # variance: what hardly varies over pictures is not blown up into noise
MEAN, STD = "tokens.mean", "tokens.std"  # keys in a run's standard.safetensors


class Standard(nn.Module):
    """Mean and deviation of image tokens; 0 and 1 until they are measured or read."""

    mean: Tensor
    std: Tensor

    def __init__(self, positions: int, channels: int) -> None:
        """
        positions  N, to standardise each position of the grid by itself, or 1
        channels   of an image token
        """
        super().__init__()
        self.register_buffer("mean", torch.zeros(positions, channels), persistent=False)
        self.register_buffer("std", torch.ones(positions, channels), persistent=False)

    @property
    def statistics(self) -> dict[str, Tensor]:
        return {MEAN: self.mean, STD: self.std}

    def use(self, statistics: dict[str, Tensor]) -> None:
        self.mean.copy_(statistics[MEAN])
        self.std.copy_(statistics[STD])

    def measured(self, parts: Iterable[Tensor]) -> dict[str, Tensor]:
        """Statistics over batches of tokens (B, N, D), summed in double precision."""
        rows = (part if len(self.mean) > 1 else part.flatten(0, 1)[:, None] for part in parts)  # (rows, positions, D)
        mean, std = mean_and_std(rows, LEAST)
        return {MEAN: mean, STD: std}

    def read(self, path: Path) -> None:
        """Use the statistics in a run's standard.safetensors."""
        try:
            self.use(load_file(path))
        except (OSError, KeyError, SafetensorError, RuntimeError):
            raise ConfigError(
                f"{path}: holds no mean and deviation of these image tokens, by which the run standardised them"
            ) from None


class Standardised:
    """An objective on standardised tokens; takes and gives those of the codec."""

    def __init__(self, own: Objective[ContinuousTokens], standard: Standard) -> None:
        self.own, self.standard, self.stochastic = own, standard, own.stochastic

    def loss(self, target: ContinuousTokens, condition: Condition, draws: Draws) -> Tensor:
        return self.own.loss(self._learned(target), condition, draws)

    def held_out(self, target: ContinuousTokens, condition: Condition, draws: Draws) -> dict[str, float]:
        return self.own.held_out(self._learned(target), condition, draws)

    def sample(self, condition: Condition, draws: Draws, how: Sampling) -> ContinuousTokens:
        tokens = self.own.sample(condition, draws, how).tokens
        return ContinuousTokens(tokens * self.standard.std + self.standard.mean)

    def _learned(self, target: ContinuousTokens) -> ContinuousTokens:
        return ContinuousTokens((target.tokens.float() - self.standard.mean) / self.standard.std)
