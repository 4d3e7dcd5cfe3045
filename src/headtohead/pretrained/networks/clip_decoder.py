"""The CLIP decoder: a diffusers UNet denoises VAE latents conditioned on CLIP tokens, as the paper's SDXL does.

tokens (B, N, width) -> cross-attention; their mean -> pooled embedding; noise (B, c, h, w) -> latents -> pictures

Cross-attention does not see the order of tokens, and a tower's tokens tell little of their place: each has it added.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.pretrained.loading.by_name import ModelError, fetched
from headtohead.pretrained.networks.vae import Vae

NOISE_SEED = 20250514
CARD = "decoder.json"  # beside a trained UNet: tower and VAE it was trained with, sampling settings
STANDARD = "standard.safetensors"  # mean and deviation of the tokens' channels in its training
TIME_IDS = 6  # SDXL's: original size, crop, target size


def build(config: dict[str, Any]) -> UNet2DConditionModel:
    return UNet2DConditionModel(**config)


def adapted(name: str, width: int, *, side: int, channels: int) -> UNet2DConditionModel:
    """A text-to-image UNet that is changed to take conditions of another width.

    Weights that do not depend on the text encoder are kept; keys, values and the pooled input are initialised again. A
    folder with a config and no weights gives a UNet with new weights throughout.

    name            of a model, a folder, or either with `:SUBFOLDER`
    width           of the condition's vectors
    side, channels  of the latents
    """
    place, _, inner = name.partition(":")

    def made() -> UNet2DConditionModel:
        config = UNet2DConditionModel.load_config(place, subfolder=inner or None)
        unet = UNet2DConditionModel.from_config(fitted(config, width, side=side, channels=channels))
        folder = Path(place) / inner
        if not folder.is_dir() or list(folder.glob("*.safetensors")):
            given = UNet2DConditionModel.from_pretrained(place, subfolder=inner or None, use_safetensors=True)
            own = unet.state_dict()
            fits = {k: v for k, v in given.state_dict().items() if k in own and own[k].shape == v.shape}
            unet.load_state_dict(fits, strict=False)
        return unet

    unet: UNet2DConditionModel = fetched("the decoder's UNet", name, "decoder.unet", made)
    return unet


def fitted(config: dict[str, Any], width: int, *, side: int, channels: int) -> dict[str, Any]:
    """The config of a UNet with conditions of `width` and latents of `channels` x `side` x `side`."""
    out = {
        **config,
        "cross_attention_dim": width,
        "sample_size": side,
        "in_channels": channels,
        "out_channels": channels,
    }
    if config.get("addition_embed_type") == "text_time":
        out["projection_class_embeddings_input_dim"] = width + TIME_IDS * config["addition_time_embed_dim"]
    return out


def velocity(unet: nn.Module, x: Tensor, sigma: Tensor, tokens: Tensor) -> Tensor:
    """The UNet's prediction for latents x (B, c, h, w) at noise level sigma (B,), given tokens (B, N, width).

    The mean of the tokens is the pooled condition; the UNet's config decides how it enters.
    """
    pooled, t = tokens.mean(1), sigma * 1000
    tokens = tokens + places(*tokens.shape[1:]).to(tokens)
    if unet.config["addition_embed_type"] == "text_time":  # type: ignore[index]
        side = x.shape[-1] * 8
        ids = x.new_tensor([side, side, 0, 0, side, side]).expand(len(x), -1)
        out = unet(x, t, tokens, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids})
    else:
        out = unet(x, t, tokens, class_labels=pooled)
    v: Tensor = out.sample
    return v


def places(number: int, width: int) -> Tensor:
    """(number, width) sines and cosines of the row and the column of tokens that form a square grid."""
    side, quarter = math.isqrt(number), width // 4
    if side * side != number:
        raise ValueError(f"{number} tokens form no square grid")
    turns = torch.outer(torch.arange(side), math.pi / side * 4 ** (torch.arange(quarter) / quarter))
    rows, columns = turns.repeat_interleave(side, 0), turns.repeat(side, 1)
    out = torch.cat([rows.sin(), rows.cos(), columns.sin(), columns.cos()], 1)
    return F.pad(out, (0, width - out.shape[1]))


def loss(unet: nn.Module, latents: Tensor, tokens: Tensor, drop: float = 0.0, noise: float = 0.0) -> dict[str, Tensor]:
    """Flow matching on latents (B, c, h, w) given tokens (B, N, width); most noise levels are high, where the result
    depends on the tokens alone.

    drop   share of samples whose tokens are hidden, for guidance
    noise  largest deviation of Gaussian noise on the tokens, which prepares the UNet for generated ones; each sample's
           deviation is drawn uniformly between none and this
    """
    sigma = 1 - torch.rand(len(latents), device=latents.device) ** 1.5
    eps = torch.randn_like(latents)
    s = sigma[:, None, None, None]
    if noise:
        tokens = tokens + noise * torch.rand(len(tokens), 1, 1, device=tokens.device) * torch.randn_like(tokens)
    if drop:
        tokens = tokens * (torch.rand(len(tokens), 1, 1, device=tokens.device) >= drop)
    v = velocity(unet, (1 - s) * latents + s * eps, sigma, tokens)
    return {"loss": F.mse_loss(v.float(), eps - latents)}


@dataclass(frozen=True)
class DecoderTraining:
    """Pictures that a decoder was trained on, and pictures that were encoded for that."""

    shown: int
    encoded: int

    def flops(self, once: float, encode: float) -> float:
        """FLOPs of the training; a backward pass costs two forward passes.

        once    FLOPs of a forward pass of the UNet for one picture
        encode  FLOPs of encoding a picture with tower and VAE
        """
        return 3 * once * self.shown + encode * self.encoded


class ClipDecoder(nn.Module):
    """Tokens to pictures, deterministically: Euler steps from noise that is the same for every picture.

    steps       of the solver
    guidance    scale of classifier-free guidance; 1: none
    trained_on  size of its training; None where a card counts it
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        vae: Vae,
        steps: int,
        guidance: float = 1.0,
        trained_on: DecoderTraining | None = None,
    ) -> None:
        super().__init__()
        self.unet, self.vae, self.steps, self.guidance, self.trained_on = unet, vae, steps, guidance, trained_on

    @property
    def picture(self) -> int:
        """Side of its pictures in pixels."""
        return int(self.unet.config["sample_size"]) * self.vae.factor

    def noise(self, number: int, seed: int | None = None) -> Tensor:
        """(number, c, h, w): the same noise for every picture, or with a seed another one for each."""
        config = self.unet.config
        shape = (config["in_channels"], config["sample_size"], config["sample_size"])
        generator = torch.Generator().manual_seed(NOISE_SEED if seed is None else seed)
        if seed is None:
            return torch.randn(1, *shape, generator=generator).expand(number, -1, -1, -1)
        return torch.randn(number, *shape, generator=generator)

    def latents(self, tokens: Tensor, noise: Tensor | None = None) -> Tensor:
        """Tokens (B, N, width) to latents (B, c, h, w)."""
        x = (self.noise(len(tokens)) if noise is None else noise).to(tokens)
        scheduler = FlowMatchEulerDiscreteScheduler()
        # Equal steps from pure noise; by default the scheduler's last step covers only a thousandth of the interval.
        scheduler.set_timesteps(sigmas=[1 - k / self.steps for k in range(self.steps)], device=tokens.device)
        for t in scheduler.timesteps:
            v = self._guided(x, t / 1000, tokens)
            x = scheduler.step(v, t, x, return_dict=False)[0]
        return x

    def _guided(self, x: Tensor, sigma: Tensor, tokens: Tensor) -> Tensor:
        if self.guidance == 1:
            return velocity(self.unet, x, sigma.expand(len(x)), tokens)
        both = torch.cat([tokens, torch.zeros_like(tokens)])
        v, none = velocity(self.unet, torch.cat([x, x]), sigma.expand(2 * len(x)), both).chunk(2)
        return none + self.guidance * (v - none)

    def decode(self, tokens: Tensor, noise: Tensor | None = None) -> Tensor:
        """(B, N, width) standardised tokens -> (B, 3, H, W) in [0, 1]."""
        return self.vae.decode(self.latents(tokens, noise))


def load(folder: str, vae: Vae, stands_on: dict[str, str]) -> ClipDecoder:
    """Load what `make decoder` wrote; raises if it was trained with another tower or VAE.

    stands_on  the keys of the tower (`clip`) and VAE (`vae`) in use
    """
    path = Path(folder) / CARD
    try:
        card = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelError(f"foundations.decoder {folder}: no {CARD} there; `make decoder` trains one") from None
    except ValueError as error:
        raise ModelError(f"{path}: is not JSON: {error}") from None
    for name, own in stands_on.items():
        if card["stands_on"].get(name) != own:
            raise ModelError(f"{path}: was trained on {name} {card['stands_on'].get(name)}, not on {own}")
    unet = fetched(
        "the CLIP decoder",
        folder,
        "foundations.decoder",
        lambda: UNet2DConditionModel.from_pretrained(folder, subfolder="unet", use_safetensors=True),
    )
    shown = card["trained"]["train"]["steps"] * card["trained"]["train"]["batch"]
    return ClipDecoder(unet, vae, card["steps"], card["guidance"], DecoderTraining(shown, shown))
