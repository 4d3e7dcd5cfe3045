"""A linear projection from query states to image tokens."""

from __future__ import annotations

from torch import Tensor, nn

from headtohead.config.heads import LinearConfig
from headtohead.utils.tensor_shapes import Condition, Grid


class Linear(nn.Module):
    """The paper's projection W: query k predicts image token k, so there are as many queries as tokens."""

    def __init__(self, settings: LinearConfig, grid: Grid, width: int) -> None:
        """
        settings  empty
        grid      N tokens of D channels
        width     of the query states, W
        """
        super().__init__()
        self.grid = grid
        self.project = nn.Linear(width, grid.channels)

    def forward(self, condition: Condition) -> Tensor:
        """(B, N, D) from states (B, N, W)."""
        if condition.states.shape[1] != self.grid.tokens:
            raise ValueError(f"{condition.states.shape[1]} queries cannot predict {self.grid.tokens} image tokens")
        return self.project(condition.states)
