"""A linear projection from query states to image tokens."""

from __future__ import annotations

from torch import Tensor, nn

from headtohead.utils.tensor_shapes import Condition, Grid


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
