"""Regression: the condition's prediction of the image tokens, by a linear projection or by a DiT.

A mean has no noise: the same prompt gives the same picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config.run_config import Sampling
from headtohead.models.networks.dit import Dit
from headtohead.models.networks.linear import Linear
from headtohead.models.objectives.noise import Draws
from headtohead.utils.tensor_shapes import Condition


class DitRegressor(nn.Module):
    """The velocity net as a regressor: learned tokens in place of noise, at a fixed time."""

    def __init__(self, net: Dit) -> None:
        super().__init__()
        self.net = net
        self.tokens = nn.Parameter(0.02 * torch.randn(1, net.grid.tokens, net.grid.channels))

    def forward(self, condition: Condition) -> Tensor:
        batch = len(condition.states)
        return self.net(self.tokens.expand(batch, -1, -1), self.tokens.new_zeros(batch), condition)


class MseHead(nn.Module):
    draws = False

    def __init__(self, predict: Linear | DitRegressor) -> None:
        super().__init__()
        self.predict = predict

    def loss(self, x_1: Tensor, condition: Condition, draws: Draws) -> Tensor:
        return self.error(x_1, condition)

    def error(self, x_1: Tensor, condition: Condition) -> Tensor:
        return F.mse_loss(self.predict(condition).float(), x_1.float())

    @torch.no_grad()
    def held_out(self, x_1: Tensor, x_0: Tensor, condition: Condition) -> dict[str, float]:
        return {"mse": float(self.error(x_1, condition))}

    def sample(self, condition: Condition, x_0: Tensor, how: Sampling) -> Tensor:
        return self.predict(condition)
