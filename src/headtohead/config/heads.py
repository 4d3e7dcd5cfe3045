"""The settings of each head: a dataclass of its own, whose fields are the keys below `head.`."""

from __future__ import annotations

from dataclasses import dataclass

from headtohead.config.parsing import Share


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Base of every head's settings. The network predicts image tokens from a condition: `forward(condition)`."""


@dataclass(frozen=True, kw_only=True)
class DenoiserConfig(HeadConfig):
    """Base of the settings of networks that also read noisy tokens and a time: `forward(x_t, t, condition)`."""

    drop_condition: Share = 0.1  # how often training hides the condition, for guidance


@dataclass(frozen=True, kw_only=True)
class LinearConfig(HeadConfig):
    """A linear projection has no sizes: the language model and the image tokens give both."""


@dataclass(frozen=True, kw_only=True)
class DitConfig(DenoiserConfig):
    dim: int
    layers: int
    heads: int
    kv_heads: int
    multiple_of: int = 256  # the SwiGLU's width is 8/3 of dim, rounded up to this
    modulation: int = 1024  # at most; the width of time and pooled condition

    def __post_init__(self) -> None:
        if self.dim % self.heads or self.heads % self.kv_heads:
            raise ValueError(
                f"head.dim={self.dim} must be divisible by head.heads={self.heads}, "
                f"and that by head.kv_heads={self.kv_heads}"
            )

    @property
    def hidden(self) -> int:
        return -(-int(8 * self.dim / 3) // self.multiple_of) * self.multiple_of

    @property
    def modulation_dim(self) -> int:
        return min(self.dim, self.modulation)
