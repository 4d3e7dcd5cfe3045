"""What a head predicts, behind one face: pictures to image tokens and back. The one place that branches on the axis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config.design import Representation
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
    """Pictures (B, 3, H, W) in [0, 1] to image tokens (B, N, D), about standardised, and back."""

    @property
    def grid(self) -> Grid: ...

    @property
    def side(self) -> int:
        """Of the pictures that it encodes without resizing them."""
        ...

    @property
    def key(self) -> str:
        """Identifies the encoder: features computed under another key are other features."""
        ...

    @property
    def statistics(self) -> dict[str, Tensor]:
        """By which its tokens are standardised; empty where the encoder's own config does that."""
        ...

    def encode(self, pictures: Tensor) -> Tensor: ...

    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        """Deterministic; with a seed, whatever noise the decoder has is drawn anew for each picture."""
        ...

    def decoder_flops(self) -> float:
        """That were spent on learning to decode its tokens; 0 where nothing was made for them."""
        ...


@dataclass(frozen=True)
class ClipCodec:
    """A tower's tokens, given back as pictures by its diffusion decoder."""

    tower: nn.Module
    decoder: ClipDecoder
    grid: Grid
    key: str
    side: int

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
    def decoder_flops(self) -> float:
        d, mean = self.decoder, self.statistics["mean"]
        if d.learnt is None:
            return 0.0
        tokens, latents = mean.new_zeros(1, self.grid.tokens, self.grid.channels), d.noise(1).to(mean)
        seen, shown = (mean.new_zeros(1, 3, side, side) for side in (self.side, d.picture))
        once = flops(lambda: clip_decoder.velocity(d.unet, latents, mean.new_ones(1), tokens))
        return d.learnt.flops(once, flops(lambda: (self.encode(seen), d.vae.encode(shown))))


@dataclass(frozen=True)
class VaeCodec:
    """The VAE's latents, patch by patch."""

    vae: nn.Module
    patch: int
    grid: Grid
    key: str
    side: int
    statistics: ClassVar[dict[str, Tensor]] = {}

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        latents: Tensor = self.vae.encode(pictures)  # type: ignore[operator]
        return F.pixel_unshuffle(latents, self.patch).flatten(2).transpose(1, 2)

    @torch.no_grad()
    def decode(self, tokens: Tensor, seed: int | None = None) -> Tensor:
        latents = tokens.transpose(1, 2).unflatten(2, (self.grid.rows, self.grid.columns))
        return self.vae.decode(F.pixel_shuffle(latents, self.patch))  # type: ignore[operator]

    def decoder_flops(self) -> float:
        return 0.0


def build(representation: Representation, given: FoundationsConfig, config: CodecConfig, device: str = "cpu") -> Codec:
    if representation is Representation.VAE:
        return _vae(given, config.patch, device)
    return _shipped(representation.value, device) if given.clip == SHIPPED else _named(representation, given, device)


def vae_of(given: FoundationsConfig, device: str) -> tuple[Vae, str]:
    """The VAE that latents and decoders stand on, and what identifies it."""
    if given.vae == SHIPPED:
        return shipped.vae(device), recipe_hash("vae")
    out = vae.load(given.vae).to(device).eval().requires_grad_(False)
    return out, weights_hash(out.state_dict())


def tower_of(given: FoundationsConfig, device: str) -> tuple[OpenTower, str]:
    """A named tower, not yet standardised, and what identifies its tokens."""
    out, weights = image_encoders.load(given.clip, given.clip_picture, given.clip_side)
    return out.to(device).eval().requires_grad_(False), f"{weights}-{out.picture}-{given.clip_side}"


def _vae(given: FoundationsConfig, patch: int, device: str) -> Codec:
    out, key = vae_of(given, device)
    grid = vae_grid(given.picture, out.factor, out.channels, patch)
    return VaeCodec(out, patch, grid, f"{key}-{patch}", given.picture)


def vae_grid(picture: int, factor: int, channels: int, patch: int) -> Grid:
    """Latents of a picture, patch by patch."""
    side = picture // factor
    if picture % factor or side % patch:
        raise ConfigError(
            f"foundations.picture={picture}: must be a multiple of {factor * patch}, "
            f"the VAE's {factor} pixels a latent times codec.patch={patch}"
        )
    return Grid(side // patch, side // patch, channels * patch**2)


def _shipped(name: str, device: str) -> Codec:
    vision = RECIPES[name].config["vision_cfg"]
    side = vision["image_size"] // vision["patch_size"]
    grid = Grid(side, side, vision["width"])
    return ClipCodec(
        shipped.tower(name, device), shipped.clip_decoder(name, device), grid, recipe_hash(name), vision["image_size"]
    )


def _named(representation: Representation, given: FoundationsConfig, device: str) -> Codec:
    if representation is not Representation.CLIP:
        raise ConfigError(f"design.representation={representation}: is a control of the shipped CLIP only")
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
