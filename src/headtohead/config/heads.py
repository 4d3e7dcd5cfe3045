"""The heads: each is the dataclass of its settings, whose fields are the keys below `head.`, declared by `@head`.

The decorator names the network, which is imported where a run's modules are built, so that settings need no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from headtohead.config.parsing import Share
from headtohead.config.registry import Registry
from headtohead.utils.plugins import Reference


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Base of every head's settings. The network predicts image tokens from a condition: `forward(condition)`."""


@dataclass(frozen=True, kw_only=True)
class DenoiserConfig(HeadConfig):
    """Base of the settings of networks that also read noisy tokens and a time: `forward(x_t, t, condition)`."""

    drop_condition: Share = 0.1  # how often training hides the condition, for guidance


C = TypeVar("C", bound=HeadConfig)


@dataclass(frozen=True)
class HeadSpec:
    """A network from query states to image tokens.

    settings          dataclass of its sizes, derived from HeadConfig or DenoiserConfig
    network           called as network(settings, grid, width): an nn.Module; width is the language model's
    a_query_a_token   whether query k predicts image token k, so that there are as many queries as tokens
    sizes             settings by scale; those that the scale's preset says go before
    """

    settings: type[HeadConfig]
    network: Reference
    a_query_a_token: bool = False
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def denoises(self) -> bool:
        return issubclass(self.settings, DenoiserConfig)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(f.name for f in fields(self.settings))


HEADS: Registry[HeadSpec] = Registry("head")


def head(name: str, network: Reference, **options: Any) -> Callable[[type[C]], type[C]]:
    """Declare a head: decorates the dataclass of its settings.

    name     value of design.head
    network  class, or "package.module:name"
    options  a_query_a_token and sizes, as of HeadSpec
    """

    def declare(settings: type[C]) -> type[C]:
        HEADS.add(name, HeadSpec(settings, network, **options))
        return settings

    return declare


@head("linear", "headtohead.models.networks.linear:Linear", a_query_a_token=True)
@dataclass(frozen=True, kw_only=True)
class LinearConfig(HeadConfig):
    """A linear projection has no sizes: the language model and the image tokens give both."""


@head("dit", "headtohead.models.networks.dit:Dit")
@dataclass(frozen=True, kw_only=True)
class DitConfig(DenoiserConfig):
    dim: int
    layers: int
    heads: int
    kv_heads: int
    multiple_of: int = 256  # the SwiGLU's width is 8/3 of dim, rounded up to this
    modulation: int = 1024  # at most; the width of time and pooled condition
    rotary_base: float = 10_000.0  # of the rotary frequencies; a grid of few rows needs a small one
    places: bool = False  # whether a learnt vector for its place in the grid is added to each token
    placed: bool = False  # whether queries of cross-attention carry the rotary positions of their tokens
    connector: bool = False  # two layers between the language model's states and the head

    def __post_init__(self) -> None:
        if self.dim % self.heads or self.heads % self.kv_heads:
            raise ValueError(
                f"head.dim={self.dim} must be divisible by head.heads={self.heads}, "
                f"and that by head.kv_heads={self.kv_heads}"
            )
        if self.rotary_base < 1:
            raise ValueError(f"head.rotary_base={self.rotary_base} must be at least 1")

    @property
    def hidden(self) -> int:
        return -(-int(8 * self.dim / 3) // self.multiple_of) * self.multiple_of

    @property
    def modulation_dim(self) -> int:
        return min(self.dim, self.modulation)
