"""A diffusion transformer like Lumina-Next's: sandwich norms, gated cross-attention, rotary positions of rows, columns.

x_t (B, N, D), t (B,), condition (B, Q, W) -> velocity (B, N, D)

As the settings say, the queries of cross-attention carry the positions of their tokens, as the reference code has it,
a connector of two layers lies between the language model's states and the blocks, and tokens are told where they are:
rotary positions tell of two tokens only how far they are apart.

A sampler evaluates the network many times under one condition. What depends on the condition alone, `prepare` computes
once: the keys and values of every block's cross-attention, and the pooled condition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from headtohead.config.heads import DitConfig
from headtohead.pretrained.networks.attention import attend
from headtohead.utils.tensor_shapes import Condition, Grid

TIME_CHANNELS = 256
EPS = 1e-5
PLACE_STD = 0.02  # of the first values of places
KeysValues = tuple[Tensor, Tensor]  # of cross-attention, (B, kv heads, Q, head_dim) each


@dataclass(frozen=True)
class Prepared:
    """A condition as the network reads it."""

    pooled: Tensor  # (B, modulation)
    blocks: Sequence[KeysValues]


class RMSNorm(nn.RMSNorm):
    """In the weight's type, as CUDA's autocast computes it anyway: a CPU has no fused kernel for mixed types."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype))


class Attention(nn.Module):
    """Self-attention over the grid plus cross-attention to the condition, scaled by a gate that is 0 at first."""

    def __init__(self, c: DitConfig, condition_dim: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, d = c.heads, c.kv_heads, c.dim // c.heads
        self.placed = c.placed
        self.q = nn.Linear(c.dim, c.dim, bias=False)
        self.kv = nn.Linear(c.dim, 2 * c.kv_heads * d, bias=False)
        self.cross_q = nn.Linear(c.dim, c.dim, bias=False)
        self.cross_kv = nn.Linear(condition_dim, 2 * c.kv_heads * d, bias=False)
        self.out = nn.Linear(c.dim, c.dim, bias=False)
        self.norms = nn.ModuleDict({n: RMSNorm(d, EPS) for n in ("q", "k", "cross_q", "cross_k")})
        self.gate = nn.Parameter(torch.zeros(c.heads))

    def _split(self, x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    def keys_values(self, condition: Tensor) -> KeysValues:
        """Of cross-attention to a condition (B, Q, W)."""
        k, v = self.cross_kv(condition).chunk(2, -1)
        return self.norms["cross_k"](self._split(k, self.kv_heads)), self._split(v, self.kv_heads)

    def forward(self, x: Tensor, cross: KeysValues, angle: Tensor) -> Tensor:
        q = rotate(self.norms["q"](self._split(self.q(x), self.heads)), angle)
        k, v = self.kv(x).chunk(2, -1)
        k = rotate(self.norms["k"](self._split(k, self.kv_heads)), angle)
        own = attend(q, k, self._split(v, self.kv_heads))
        cross_q = self.norms["cross_q"](self._split(self.cross_q(x), self.heads))
        if self.placed:
            cross_q = rotate(cross_q, angle)
        other = attend(cross_q, *cross)
        both = own + self.gate.tanh()[:, None, None] * other
        return self.out(both.transpose(1, 2).flatten(2))


class SwiGlu(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(dim, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.up(x).chunk(2, -1)
        return self.down(F.silu(gate) * value)


class Block(nn.Module):
    def __init__(self, c: DitConfig, condition_dim: int) -> None:
        super().__init__()
        self.attention = Attention(c, condition_dim)
        self.mlp = SwiGlu(c.dim, c.hidden)
        self.norms = nn.ModuleDict(
            {n: RMSNorm(c.dim, EPS) for n in ("before_attention", "after_attention", "before_mlp", "after_mlp")}
        )
        self.condition_norm = RMSNorm(condition_dim, EPS)
        self.modulate = nn.Linear(c.modulation_dim, 4 * c.dim)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def prepare(self, condition: Tensor) -> KeysValues:
        return self.attention.keys_values(self.condition_norm(condition))

    def forward(self, x: Tensor, condition: Tensor | KeysValues, modulation: Tensor, angle: Tensor) -> Tensor:
        """
        x           (B, N, dim)
        condition   (B, Q, W), or what `prepare` made of it
        modulation  (B, modulation) of time and pooled condition
        angle       (N, head_dim / 2) of the rotary positions
        """
        # Of the class: where blocks are sharded, the instance's own `prepare` gathers weights that are here already.
        cross = condition if isinstance(condition, tuple) else Block.prepare(self, condition)
        scale_a, gate_a, scale_m, gate_m = self.modulate(F.silu(modulation))[:, None].chunk(4, -1)
        inner = self.norms["before_attention"](x) * (1 + scale_a)
        inner = self.attention(inner, cross, angle)
        x = x + gate_a.tanh() * self.norms["after_attention"](inner)
        inner = self.mlp(self.norms["before_mlp"](x) * (1 + scale_m))
        return x + gate_m.tanh() * self.norms["after_mlp"](inner)


def time_features(t: Tensor, channels: int = TIME_CHANNELS) -> Tensor:
    """(B, channels) sines and cosines of t (B,) in [0, 1], times 1,000: the scale that such features are made for."""
    frequency = torch.exp(-math.log(10_000) * torch.arange(channels // 2, device=t.device) / (channels // 2))
    phase = 1000 * t[:, None].float() * frequency
    return torch.cat([phase.cos(), phase.sin()], -1)


class Dit(nn.Module):
    """`blocks` are compiled one by one; with `checkpointing` their activations are computed again for the gradient."""

    angle: Tensor

    def __init__(self, c: DitConfig, grid: Grid, condition_dim: int) -> None:
        """
        c              sizes
        grid           N tokens of D channels
        condition_dim  width of the query states, W
        """
        super().__init__()
        self.grid, self.checkpointing = grid, False
        self.connector = connector(condition_dim, c.dim) if c.connector else nn.Identity()
        condition_dim = c.dim if c.connector else condition_dim
        self.embed = nn.Linear(grid.channels, c.dim)
        self.places = nn.Parameter(PLACE_STD * torch.randn(grid.tokens, c.dim)) if c.places else None
        self.time = nn.Sequential(
            nn.Linear(TIME_CHANNELS, c.modulation_dim), nn.SiLU(), nn.Linear(c.modulation_dim, c.modulation_dim)
        )
        self.pooled = nn.Sequential(nn.LayerNorm(condition_dim), nn.Linear(condition_dim, c.modulation_dim))
        self.blocks = nn.ModuleList(Block(c, condition_dim) for _ in range(c.layers))
        self.last_norm = nn.LayerNorm(c.dim, elementwise_affine=False, eps=1e-6)
        self.last_scale = nn.Linear(c.modulation_dim, c.dim)
        self.last = nn.Linear(c.dim, grid.channels)
        for layer in (self.last_scale, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("angle", angles(grid, c.dim // c.heads, c.rotary_base), persistent=False)

    def prepare(self, condition: Condition) -> Prepared:
        states = self.connector(condition.states)
        blocks = cast("list[Block]", list(self.blocks))
        return Prepared(self.pooled(states.mean(1)), [block.prepare(states) for block in blocks])

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | Prepared) -> Tensor:
        """Velocity (B, N, D) at x_t (B, N, D), t (B,) under a condition, or under what `prepare` made of it."""
        x: Tensor = self.embed(x_t).to(self.embed.weight.dtype)  # the sum over all blocks is in single precision
        if self.places is not None:
            x = x + self.places
        inputs: Sequence[Tensor | KeysValues]
        if isinstance(condition, Prepared):
            pooled, inputs = condition.pooled, condition.blocks
        else:
            states = self.connector(condition.states)
            pooled, inputs = self.pooled(states.mean(1)), [states] * len(self.blocks)
        modulation = self.time(time_features(t).to(x)) + pooled
        for block, read in zip(self.blocks, inputs, strict=True):
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, read, modulation, self.angle, use_reentrant=False)
            else:
                x = block(x, read, modulation, self.angle)
        x = self.last_norm(x) * (1 + self.last_scale(F.silu(modulation))[:, None])
        return self.last(x)


def connector(width: int, dim: int) -> nn.Sequential:
    """The language model's states (..., width) in the head's own terms (..., dim); without a prompt, too, one state."""
    return nn.Sequential(nn.Linear(width, dim), nn.GELU(), nn.Linear(dim, dim), RMSNorm(dim, EPS))


def angles(grid: Grid, head_dim: int, base: float) -> Tensor:
    """Rotary angles (N, head_dim / 2): half of the channel pairs turn with the row, half with the column.

    base  frequencies of the pairs lie between 1 and 1 / base
    """
    if head_dim % 4:
        raise ValueError(f"rotary positions over two axes need a head dimension divisible by 4, not {head_dim}")
    pairs = head_dim // 4
    frequency = base ** (-torch.arange(pairs) / pairs)
    row, column = torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.columns), indexing="ij")
    return torch.cat([row.reshape(-1, 1) * frequency, column.reshape(-1, 1) * frequency], 1)


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Rotate pairs of neighbouring channels.

    x      (B, heads, N, head_dim)
    angle  (N, head_dim / 2)
    """
    if torch.compiler.is_compiling():  # the compiler has no complex numbers; without it they are the fastest way
        even, odd = x.to(angle).unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x)
    turn = torch.polar(torch.ones_like(angle), angle)
    pairs = torch.view_as_complex(x.to(angle).unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turn).flatten(-2).to(x)
