"""Codecs: pictures to the image tokens that a head predicts, and back.

A source says which pretrained models a codec is made of, without loading them; `load` makes the codec.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import SHIPPED, CodecConfig, FoundationsConfig
from headtohead.pretrained.loading import shipped
from headtohead.pretrained.loading.by_name import weights_hash
from headtohead.pretrained.making.recipes import RECIPES, recipe_hash
from headtohead.pretrained.networks import clip_decoder, image_encoders, vae
from headtohead.pretrained.networks.clip_decoder import ClipDecoder
from headtohead.pretrained.networks.image_encoders import OpenTower
from headtohead.pretrained.networks.vae import Vae
from headtohead.utils.compute import flops
from headtohead.utils.tensor_shapes import Grid


class Codec(Protocol):
    """Pictures (B, 3, H, W) in [0, 1] to image tokens (B, N, D) of about zero mean and unit variance, and back."""

    @property
    def grid(self) -> Grid: ...

    @property
    def side(self) -> int:
        """Side of the pictures that it encodes without resizing."""
        ...

    @property
    def key(self) -> str:
        """Identifies the encoder and its preprocessing."""
        ...

    @property
    def statistics(self) -> dict[str, Tensor]:
        """Mean and deviation by which tokens are standardised; empty where the encoder's config does that."""
        ...

    def encode(self, pictures: Tensor) -> Tensor: ...

    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        """Tokens (B, N, D) to pictures. Deterministic; with a seed, each picture starts from other noise."""
        ...

    def made_flops(self) -> float:
        """FLOPs of the training of its networks, without public models."""
        ...


@dataclass(frozen=True)
class ClipCodec:
    """Tokens of a CLIP tower, and its diffusion decoder."""

    tower: nn.Module
    decoder: ClipDecoder
    grid: Grid
    key: str
    side: int
    made: float = 0.0  # FLOPs of the training of its networks; 0: those of the decoder are counted

    @property
    def statistics(self) -> dict[str, Tensor]:
        return {"mean": self.tower.mean, "std": self.tower.std}  # type: ignore[dict-item]

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        return self.tower.encode(pictures)  # type: ignore[operator]

    @torch.no_grad()
    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        noise = None if seed is None else self.decoder.noise(len(tokens), seed)
        return self.decoder.decode(tokens, noise)

    @torch.no_grad()
    def made_flops(self) -> float:
        d, mean = self.decoder, self.statistics["mean"]
        if d.trained_on is None:
            return self.made
        tokens, latents = mean.new_zeros(1, self.grid.tokens, self.grid.channels), d.noise(1).to(mean)
        seen, shown = (mean.new_zeros(1, 3, side, side) for side in (self.side, d.picture))
        once = flops(lambda: clip_decoder.velocity(d.unet, latents, mean.new_ones(1), tokens))
        return d.trained_on.flops(once, flops(lambda: (self.encode(seen), d.vae.encode(shown))))


@dataclass(frozen=True)
class VaeCodec:
    """Latents of a VAE, gathered patch x patch into a token."""

    vae: nn.Module
    patch: int
    grid: Grid
    key: str
    side: int
    made: float = 0.0  # FLOPs of its training; 0 for a public one
    statistics: ClassVar[dict[str, Tensor]] = {}

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        latents: Tensor = self.vae.encode(pictures)  # type: ignore[operator]
        return F.pixel_unshuffle(latents, self.patch).flatten(2).transpose(1, 2)

    @torch.no_grad()
    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        latents = tokens.transpose(1, 2).unflatten(2, (self.grid.rows, self.grid.columns))
        return self.vae.decode(F.pixel_shuffle(latents, self.patch))  # type: ignore[operator]

    def made_flops(self) -> float:
        return self.made


class Source(Protocol):
    """Which pretrained models a codec is made of."""

    def load(self, device: str) -> Codec: ...


@dataclass(frozen=True)
class VaeTokens:
    """Latents of a VAE, gathered patch x patch into an image token."""

    given: FoundationsConfig
    patch: int

    def load(self, device: str) -> Codec:
        out, key = vae_of(self.given, device)
        grid = vae_grid(self.given.picture, out.factor, out.channels, self.patch)
        made = shipped.training_flops("vae") if self.given.vae == SHIPPED else 0.0
        return VaeCodec(out, self.patch, grid, f"{key}-{self.patch}", self.given.picture, made)


@dataclass(frozen=True)
class ShippedClipTokens:
    """Tokens of a small CLIP of the package, decoded by its own diffusion decoder."""

    name: str  # clip, clip_blind or clip_untrained

    def load(self, device: str) -> Codec:
        vision = RECIPES[self.name].config["vision_cfg"]
        side = vision["image_size"] // vision["patch_size"]
        tower, decoder = shipped.tower(self.name, device), shipped.clip_decoder(self.name, device)
        grid = Grid(side, side, vision["width"])
        made = shipped.training_flops(f"decoder_{self.name}")
        return ClipCodec(tower, decoder, grid, recipe_hash(self.name), vision["image_size"], made)


@dataclass(frozen=True)
class NamedClipTokens:
    """Tokens of a published CLIP, decoded by a diffusion decoder that `make decoder` trained for it."""

    given: FoundationsConfig

    def load(self, device: str) -> Codec:
        given = self.given
        tokens, key = tower_of(given, device)
        latents, vae_key = vae_of(given, device)
        back = clip_decoder.load(given.decoder, latents, {"clip": key, "vae": vae_key})
        if back.picture != given.picture:
            raise ConfigError(
                f"foundations.decoder {given.decoder}: gives pictures of {back.picture}, not foundations.picture="
                f"{given.picture}: designs that are compared give pictures of one size"
            )
        tokens.standardise(load_file(Path(given.decoder) / clip_decoder.STANDARD))
        grid = Grid(given.clip_side, given.clip_side, tokens.width)
        back = back.to(device).eval().requires_grad_(False)
        return ClipCodec(tokens, back, grid, f"{key}-{tokens.statistics_hash}", tokens.picture)


def vae_tokens(name: str, given: FoundationsConfig, codec: CodecConfig) -> VaeTokens:
    """The source of `design.representation=vae`."""
    return VaeTokens(given, codec.patch)


def clip_tokens(name: str, given: FoundationsConfig, codec: CodecConfig) -> ShippedClipTokens | NamedClipTokens:
    """The source of `design.representation=clip` and of CLIP's controls, which exist for the shipped CLIP only.

    name   of the representation
    given  the pretrained models
    codec  unused: CLIP's tokens stay as they are
    """
    if given.clip == SHIPPED:
        return ShippedClipTokens(name)
    if name != "clip":
        raise ConfigError(f"design.representation={name}: is a control of the shipped CLIP only")
    return NamedClipTokens(given)


def vae_of(given: FoundationsConfig, device: str) -> tuple[Vae, str]:
    """The VAE and its key."""
    if given.vae == SHIPPED:
        return shipped.vae(device), recipe_hash("vae")
    out = vae.load(given.vae).to(device).eval().requires_grad_(False)
    return out, weights_hash(out.state_dict())


def tower_of(given: FoundationsConfig, device: str) -> tuple[OpenTower, str]:
    """A tower by name, not yet standardised, and the key of its tokens."""
    out, weights = image_encoders.load(given.clip, given.clip_picture, given.clip_side)
    return out.to(device).eval().requires_grad_(False), f"{weights}-{out.picture}-{given.clip_side}"


def vae_grid(picture: int, factor: int, channels: int, patch: int) -> Grid:
    """The grid of tokens of a picture's latents.

    picture   side in pixels
    factor    pixels a side of a latent
    channels  of a latent
    patch     latents a side of a token
    """
    side = picture // factor
    if picture % factor or side % patch:
        raise ConfigError(
            f"foundations.picture={picture}: must be a multiple of {factor * patch}, "
            f"the VAE's {factor} pixels a latent times codec.patch={patch}"
        )
    return Grid(side // patch, side // patch, channels * patch**2)
