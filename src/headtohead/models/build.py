"""Design to modules: the one place where the names on a design's axes become objects.

`config/design.py` declares what each name stands for. The planner and the speed benchmarks call the functions here too,
so that no other module branches on an axis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from headtohead.config.design import BACKBONES, OBJECTIVES, REPRESENTATIONS
from headtohead.config.heads import HEADS
from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import RunConfig
from headtohead.models.generator import PICTURES, Generator, pixels
from headtohead.models.networks.compiling import WORTH, compile_blocks
from headtohead.models.query_encoder import QueryEncoder
from headtohead.models.standard import Standard
from headtohead.pretrained import language_model
from headtohead.pretrained.image_tokens import Codec, Source
from headtohead.records import layout
from headtohead.utils.compute import dtype
from headtohead.utils.plugins import resolved
from headtohead.utils.tensor_shapes import CodeGrid, Grid, Target


@dataclass(frozen=True)
class Parts:
    """The modules of a run: the frozen codec between pictures and image tokens, and what is trained."""

    codec: Codec
    generator: Generator

    def target(self, batch: Tensor) -> Target:
        """What an objective learns from a batch: pictures (B, 3, H, W) are encoded, tokens are taken as they are."""
        return self.codec.grid.target(self.codec.encode(pixels(batch)) if batch.dim() == PICTURES else batch)


def assemble(config: RunConfig, device: str, folder: Path | None = None) -> Parts:
    """Build a run's modules; the first weights follow from the seed.

    config  of the run
    device  cpu or cuda
    folder  of a run that has trained, to standardise image tokens as it did
    """
    codec = image_tokens(config).load(device)
    model, encode = language_model.build(config.foundations, config.query, device)
    torch.manual_seed(config.seed)
    query = replace(config.query, number=queries(config, codec.grid))
    encoder = QueryEncoder(model, encode, query, trains_backbone(config), dtype(config.compute.precision, device))
    own = standard(config, codec.grid)
    if own and folder:
        own.read(folder / layout.STANDARD)
    return Parts(codec, Generator(encoder, objective(config, codec.grid, encoder.width), own).to(device))


def image_tokens(config: RunConfig) -> Source:
    """design.representation: the pretrained models that turn pictures into image tokens and back, not yet loaded."""
    make = resolved(REPRESENTATIONS[config.design.representation].source)
    return cast(Source, make(config.design.representation, config.foundations, config.codec))


def standard(config: RunConfig, grid: Grid) -> Standard | None:
    """codec.standardise: statistics by which a grid's tokens are standardised; None where the codec's own do."""
    how = config.codec.standardise
    if how == "model":
        return None
    if isinstance(grid, CodeGrid):
        name = config.design.representation
        raise ConfigError(f"codec.standardise={how}: image tokens of {name} are codes, which have no mean")
    return Standard(grid.tokens if how == "position" else 1, grid.channels)


def trains_backbone(config: RunConfig) -> bool:
    """design.backbone: whether the language model learns with the head."""
    return BACKBONES[config.design.backbone]


def queries(config: RunConfig, grid: Grid) -> int:
    """The number of learnable queries: as many as image tokens where the head turns query k into token k."""
    return grid.tokens if HEADS[config.design.head].a_query_a_token else config.query.number


def network(config: RunConfig, grid: Grid, width: int) -> nn.Module:
    """design.head: the network from query states to image tokens.

    config  of the run
    grid    of the image tokens
    width   of the query states
    """
    net: nn.Module = resolved(HEADS[config.design.head].network)(config.head, grid, width)
    if config.compute.checkpointing and hasattr(net, "checkpointing"):
        net.checkpointing = True  # type: ignore[assignment]
    if compiles(config):
        compile_blocks(blocks(net))
    return net


def compiles(config: RunConfig) -> bool:
    """Whether the head's blocks are to be compiled: as the run says, unless it is too short to gain from it."""
    return config.compute.compile and config.train.steps >= WORTH


def objective(config: RunConfig, grid: Grid, width: int) -> nn.Module:
    """design.objective: loss and sampler around the head's network; arguments as of `network`."""
    spec = OBJECTIVES[config.design.objective]
    own = [config.objective] if spec.keys else []
    return cast(nn.Module, resolved(spec.objective)(network(config, grid, width), config.head, grid, *own))


def blocks(module: nn.Module) -> list[nn.Module]:
    """The equal layers of the networks in a module: the entries of their `blocks`."""
    lists: list[Any] = [getattr(part, "blocks", ()) for part in module.modules()]
    return [block for own in lists for block in own]
