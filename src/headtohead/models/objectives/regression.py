"""Regression: a network predicts the image tokens x_1 from the condition, trained with mean squared error.

The prediction has no noise: one prompt gives one picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config.heads import DenoiserConfig, HeadConfig
from headtohead.config.run_config import Sampling
from headtohead.models.objectives.noise import Draws
from headtohead.utils.tensor_shapes import Condition, ContinuousTokens, Grid


class FixedInput(nn.Module):
    """A denoising network as a regressor: it reads learned tokens instead of noisy ones, at time 0."""

    def __init__(self, net: nn.Module, grid: Grid) -> None:
        """
        net   (x_t (B, N, D), t (B,), condition) -> (B, N, D)
        grid  N tokens of D channels
        """
        super().__init__()
        self.net = net
        self.tokens = nn.Parameter(0.02 * torch.randn(1, grid.tokens, grid.channels))

    def forward(self, condition: Condition) -> Tensor:
        batch = len(condition.states)
        return self.net(self.tokens.expand(batch, -1, -1), self.tokens.new_zeros(batch), condition)


class Regression(nn.Module):
    stochastic = False

    def __init__(self, net: nn.Module, head: HeadConfig, grid: Grid) -> None:
        """
        net   condition -> x_1 (B, N, D), or a denoising network
        head  settings of the head; their class says which of the two the network is
        grid  N tokens of D channels
        """
        super().__init__()
        self.predict = FixedInput(net, grid) if isinstance(head, DenoiserConfig) else net

    def loss(self, target: ContinuousTokens, condition: Condition, draws: Draws) -> Tensor:
        return F.mse_loss(self.predict(condition).float(), target.tokens.float())

    @torch.no_grad()
    def held_out(self, target: ContinuousTokens, condition: Condition, draws: Draws) -> dict[str, float]:
        return {"mse": float(self.loss(target, condition, draws))}

    def sample(self, condition: Condition, draws: Draws, how: Sampling) -> ContinuousTokens:
        return ContinuousTokens(self.predict(condition))
