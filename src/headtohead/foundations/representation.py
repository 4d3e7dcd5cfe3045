"""What a head predicts, behind one face: pictures to image tokens and back. The one place that branches on the axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config import CodecConfig, ConfigError
from headtohead.design import Representation
from headtohead.foundations import shipped
from headtohead.foundations.recipes import RECIPES, recipe_hash
from headtohead.shapes import Grid


class Codec(Protocol):
    """Pictures (B, 3, H, W) in [0, 1] to image tokens (B, N, D), about standardised, and back."""

    @property
    def grid(self) -> Grid: ...

    @property
    def key(self) -> str:
        """Identifies the encoder: features computed under another key are other features."""
        ...

    def encode(self, pictures: Tensor) -> Tensor: ...

    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        """Deterministic; with a seed, whatever noise the decoder has is drawn anew for each picture."""
        ...


@dataclass(frozen=True)
class ClipCodec:
    """A tower's tokens, given back as pictures by its diffusion decoder."""

    tower: nn.Module
    decoder: nn.Module
    grid: Grid
    key: str

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        return self.tower.encode(pictures)  # type: ignore[operator]

    @torch.no_grad()
    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        noise = None if seed is None else self.decoder.noise(len(tokens), seed)  # type: ignore[operator]
        return self.decoder.decode(tokens, noise)  # type: ignore[operator]


@dataclass(frozen=True)
class VaeCodec:
    """The VAE's latents, patch by patch."""

    vae: nn.Module
    patch: int
    grid: Grid
    key: str

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        latents: Tensor = self.vae.encode(pictures)  # type: ignore[operator]
        return F.pixel_unshuffle(latents, self.patch).flatten(2).transpose(1, 2)

    @torch.no_grad()
    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        latents = tokens.transpose(1, 2).unflatten(2, (self.grid.rows, self.grid.columns))
        return self.vae.decode(F.pixel_shuffle(latents, self.patch))  # type: ignore[operator]


def build(representation: Representation, config: CodecConfig, device: str = "cpu") -> Codec:
    if representation is Representation.VAE:
        unet, patch = RECIPES["decoder_clip"].config["unet"], config.patch
        side, channels = unet["sample_size"], unet["in_channels"]
        if side % patch:
            raise ConfigError(f"codec.patch: {patch} does not divide the latents' side of {side}")
        grid = Grid(side // patch, side // patch, channels * patch**2)
        return VaeCodec(shipped.vae(device), patch, grid, f"{recipe_hash('vae')}-{patch}")
    name = representation.value
    vision = RECIPES[name].config["vision_cfg"]
    side = vision["image_size"] // vision["patch_size"]
    return ClipCodec(
        shipped.tower(name, device),
        shipped.clip_decoder(name, device),
        Grid(side, side, vision["width"]),
        recipe_hash(name),
    )
