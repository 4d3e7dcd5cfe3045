"""FLOPs and memory of a representation's encoder and decoder, built and run on the meta device."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, singledispatch
from pathlib import Path

import torch
from torch import nn

from ablations.plan.one_design import networks
from ablations.plan.one_design.meta_device import Seen, look, parameters
from headtohead.config.parsing import ConfigError, build
from headtohead.config.run_config import SHIPPED, DecoderConfig, FoundationsConfig
from headtohead.pretrained import image_tokens
from headtohead.pretrained.image_tokens import NamedClipTokens, ShippedClipTokens, Source, VaeTokens
from headtohead.pretrained.loading import shipped
from headtohead.pretrained.loading.by_name import calm
from headtohead.pretrained.making.recipes import RECIPES
from headtohead.pretrained.networks import clip_decoder, image_encoders
from headtohead.utils.tensor_shapes import Grid


@dataclass(frozen=True)
class Part:
    """A frozen network, and its cost for one image."""

    parameters: int
    flops: float
    most: float  # peak bytes


@dataclass(frozen=True)
class ToTrain:
    """A decoder that is not trained yet, which all runs of its representation use."""

    steps: int
    batch: int
    flops: float
    precision: str


@dataclass(frozen=True)
class Frozen:
    grid: Grid
    picture: int  # side of the decoded images, pixels
    encode: Part
    decode: Part  # parameters: those beside the encoder's
    made: float = 0.0  # FLOPs of the training of its networks, without public models
    to_train: ToTrain | None = None


@singledispatch
def of(source: Source, stage: DecoderConfig | None) -> Frozen:
    """Cost of a representation's encoder and decoder, by the class of its source.

    source  which pretrained models they are
    stage   training of the decoder, where there is none yet
    """
    raise ConfigError(f"{type(source).__name__}: the plan does not know what this source of image tokens costs")


@of.register
def _(source: VaeTokens, stage: DecoderConfig | None) -> Frozen:
    return _of_vae(source.given.vae, source.given.picture, source.patch)


@of.register
def _(source: ShippedClipTokens, stage: DecoderConfig | None) -> Frozen:
    return _of_shipped(source.name)


@of.register
def _(source: NamedClipTokens, stage: DecoderConfig | None) -> Frozen:
    return _of_tower(source.given, stage)


@contextmanager
def on_meta(key: str, name: str) -> Iterator[None]:
    """Turn errors of the libraries that build a model into one line that names the setting."""
    try:
        with torch.device("meta"), calm():
            yield
    except ConfigError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(f"{key} {name}: its config cannot be built ({reason})") from None


@dataclass(frozen=True)
class _Vae:
    parameters: int
    factor: int
    channels: int
    encode: Seen
    decode: Seen


@cache
def _vae(name: str, picture: int) -> _Vae:
    with on_meta("foundations.vae", name):
        own = networks.vae(name)
        pictures = torch.zeros(1, 3, picture, picture)
        latents = torch.zeros(1, own.channels, picture // own.factor, picture // own.factor)
        into, back = look(lambda: own.encode(pictures), bf16=True), look(lambda: own.decode(latents), bf16=True)
        return _Vae(parameters(own), own.factor, own.channels, into, back)


@cache
def _of_vae(name: str, picture: int, patch: int) -> Frozen:
    own = _vae(name, picture)
    grid = image_tokens.vae_grid(picture, own.factor, own.channels, patch)
    back = Part(0, own.decode.flops, own.decode.most)
    made = shipped.training_flops("vae") if name == SHIPPED else 0.0
    return Frozen(grid, picture, Part(own.parameters, own.encode.flops, own.encode.most), back, made)


@cache
def _of_shipped(name: str) -> Frozen:
    vision, decoder = RECIPES[name].config["vision_cfg"], RECIPES[f"decoder_{name}"]
    picture, side = vision["image_size"], vision["image_size"] // vision["patch_size"]
    with on_meta("foundations.clip", SHIPPED):
        tower = image_encoders.ClipTower(image_encoders.build(RECIPES[name].config)).eval().requires_grad_(False)
        seen = look(lambda: tower.raw_tokens(torch.zeros(1, 3, picture, picture)), bf16=False)
    grid, own, unet = Grid(side, side, vision["width"]), _vae(SHIPPED, picture), decoder.config["unet"]
    back, _ = _unet(grid, own, lambda: networks.frozen_unet(dict(unet)), unet["sample_size"], **decoder.sampling)
    made = shipped.training_flops(f"decoder_{name}")
    return Frozen(grid, picture, Part(parameters(tower), seen.flops, seen.most), back, made)


@cache
def _of_tower(given: FoundationsConfig, stage: DecoderConfig | None) -> Frozen:
    encode, width = _tower(given)
    own = _vae(given.vae, given.picture)
    card = Path(given.decoder) / clip_decoder.CARD
    if card.exists():
        stage = build(DecoderConfig, json.loads(card.read_text())["trained"], str(card))
        if stage.foundations.picture != given.picture:
            raise ConfigError(
                f"foundations.decoder {given.decoder}: gives pictures of {stage.foundations.picture}, not "
                f"foundations.picture={given.picture}: designs that are compared give pictures of one size"
            )
    if stage is None:
        raise ConfigError(
            f"foundations.decoder {given.decoder}: no {clip_decoder.CARD} there, and this scale trains none"
        )
    side, t, unet = given.picture // own.factor, stage.train, stage.unet
    grid = Grid(given.clip_side, given.clip_side, width)
    back, once = _unet(
        grid, own, lambda: networks.unet(unet, width, side=side, channels=own.channels), side,
        steps=stage.steps, guidance=stage.guidance,
    )  # fmt: skip
    shown = t.steps * t.batch
    made = clip_decoder.DecoderTraining(shown, shown).flops(once, encode.flops + own.encode.flops)
    to_train = None if card.exists() else ToTrain(t.steps, t.batch, made, stage.compute.precision)
    return Frozen(grid, given.picture, encode, back, made, to_train)


def _tower(given: FoundationsConfig) -> tuple[Part, int]:
    """Cost of an OpenCLIP image tower, and the width of its tokens."""
    with on_meta("foundations.clip", given.clip):
        tower = networks.tower(given)
        seen = look(lambda: tower.raw_tokens(torch.zeros(1, 3, tower.picture, tower.picture)), bf16=True)
    return Part(parameters(tower), seen.flops, seen.most), tower.width


def _unet(
    grid: Grid, own: _Vae, built: Callable[[], nn.Module], side: int, *, steps: int, guidance: float
) -> tuple[Part, float]:
    """The cost of decoding an image's tokens by diffusion, and the FLOPs of the UNet's forward pass for one image."""
    passes = 1 if guidance == 1 else 2
    with on_meta("decoder.unet", "of this config"):
        unet = built()
        latents, tokens = torch.zeros(1, own.channels, side, side), torch.zeros(1, grid.tokens, grid.channels)
        once = look(lambda: clip_decoder.velocity(unet, latents, torch.zeros(1), tokens), bf16=True)
    flops = steps * passes * once.flops + own.decode.flops
    most = max(passes * once.most, own.decode.most)
    return Part(parameters(unet) + own.parameters, flops, most), once.flops
