"""Rotary positions over the axes of a grid: each axis turns its own share of a head's channels."""

from __future__ import annotations

import torch
from torch import Tensor

from headtohead.shapes import Grid

BASE = 10_000.0


def angles(grid: Grid, head_dim: int) -> Tensor:
    """(N, head_dim / 2): half of the pairs turn with the row, half with the column."""
    if head_dim % 4:
        raise ValueError(f"rotary positions over two axes need a head dimension divisible by 4, not {head_dim}")
    pairs = head_dim // 4
    frequency = BASE ** (-torch.arange(pairs) / pairs)
    row, column = torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.columns), indexing="ij")
    return torch.cat([row.reshape(-1, 1) * frequency, column.reshape(-1, 1) * frequency], 1)


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Turn neighbouring channels of x (B, heads, N, head_dim) as pairs, complex numbers, by angle (N, head_dim / 2)."""
    if torch.compiler.is_compiling():  # which knows no complex numbers; without it they are the fastest way
        even, odd = x.to(angle).unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x)
    turn = torch.polar(torch.ones_like(angle), angle)
    pairs = torch.view_as_complex(x.to(angle).unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turn).flatten(-2).to(x)
