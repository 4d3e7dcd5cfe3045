"""This project's training step of clip_flow at the sizes that the reference implementation can be built in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ablations.bench.gpu import models
from headtohead.config import presets
from headtohead.config.presets import configure
from headtohead.config.run_config import SHIPPED, RunConfig
from headtohead.data.synthetic_batches import STREAM, StepBatch, Steps
from headtohead.models import build
from headtohead.models.build import Parts
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw

DESIGN = "clip_flow"
QUERIES = 64  # the reference reads as many states behind a prompt, whatever its setting n_query says
EPOCH = 8  # steps after which the same pictures come again, with other captions


@dataclass(frozen=True)
class Vision:
    """Sizes of an image tower: side of its pictures and of its patches in pixels, width, blocks, and those'."""

    picture: int
    patch: int
    width: int
    layers: int
    head_width: int
    mlp_ratio: float


@dataclass(frozen=True)
class Own:
    """What is trained, and what the reference must be like."""

    config: RunConfig
    parts: Parts

    @property
    def batch(self) -> int:
        return self.config.train.batch

    @property
    def tower(self) -> Any:
        """The network that encodes pictures: open_clip's VisionTransformer."""
        tower: Any = self.parts.codec.tower  # type: ignore[attr-defined]
        return tower.visual if hasattr(tower, "visual") else tower.model.visual

    @property
    def vision(self) -> Vision:
        visual = self.tower
        blocks, (picture, _), (patch, _) = visual.transformer, visual.image_size, visual.patch_size
        first, width = blocks.resblocks[0], int(blocks.width)
        heads, hidden = first.attn.num_heads, first.mlp.c_fc.out_features
        return Vision(picture, patch, width, int(blocks.layers), width // heads, hidden / width)

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of weights: all that is trained, and of each module."""
        net = self.parts.generator
        return {
            "trained": sum(p.numel() for p in net.trained().values()),
            "head": count(net.head),
            "queries": net.queries.queries.numel(),
            "language model": count(net.queries.model),
            "image tower": count(self.tower),
        }


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def config_of(device: str) -> RunConfig:
    """One step of the scale's preset in one piece: its micro-batch where it has one."""
    scale = "single" if device == "cuda" else "micro"
    preset = configure(DESIGN, scale)
    batch = preset.compute.micro_batch or preset.train.batch
    sizes = {"query.number": QUERIES, "train.batch": batch, "compute.micro_batch": 0}
    return configure(DESIGN, scale, overrides=sizes)


def made(device: str) -> Own:
    """The shipped models at micro scale; at `single` scale their architectures with random weights."""
    config = config_of(device)
    if config.foundations.clip == SHIPPED:
        return Own(config, build.assemble(config, device))
    return Own(config, models.parts(config, presets.decoder(config.scale), device, encoder=True))


def batches(own: Own, device: str, live: bool) -> Iterator[StepBatch]:
    """Batches whose captions are new in every step, as in a run.

    own     says how large they are
    device  on which their pictures or tokens are
    live    pictures in [0, 1]; else random image tokens, as if encoded before
    """
    number, grid, side = EPOCH * own.batch, own.parts.codec.grid, own.parts.codec.side
    if live:
        x_1 = render(draw(STREAM, np.arange(number)), device)
        if side != x_1.shape[-1]:
            x_1 = nn.functional.interpolate(x_1, (side, side), mode="bilinear")
    else:
        x_1 = torch.randn(number, grid.tokens, grid.channels, generator=torch.Generator().manual_seed(0))
    steps = Steps(x_1.cpu(), seed=0, batch=own.batch, start=0, stop=2**31, dense=own.config.data.dense)
    return (StepBatch(batch.captions, batch.x_1.to(device)) for batch in steps)
