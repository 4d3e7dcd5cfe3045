"""Regression: the condition's prediction of the image tokens, by a linear projection or by a DiT.

A mean has no noise: the same prompt gives the same picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config import Sampling
from headtohead.heads.dit import Dit
from headtohead.heads.draws import Draws
from headtohead.shapes import Condition, Grid


class Linear(nn.Module):
    """W of the paper: query k predicts image token k, so there are as many queries as tokens."""

    def __init__(self, grid: Grid, condition_dim: int) -> None:
        super().__init__()
        self.grid = grid
        self.project = nn.Linear(condition_dim, grid.channels)

    def forward(self, condition: Condition) -> Tensor:
        if condition.states.shape[1] != self.grid.tokens:
            raise ValueError(f"{condition.states.shape[1]} queries cannot predict {self.grid.tokens} image tokens")
        return self.project(condition.states)


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
