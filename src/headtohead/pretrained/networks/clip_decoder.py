"""From CLIP tokens back to pictures: a diffusers UNet denoises VAE latents and sees the tokens, like the paper's SDXL.

tokens (B, N, width) -> cross-attention; their mean -> pooled embedding; noise (B, c, h, w) -> latents -> pictures
"""

from __future__ import annotations

import json
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
CARD = "decoder.json"  # beside a trained UNet: what it was trained on and how it samples
STANDARD = "standard.safetensors"  # the channels' mean and deviation that it was trained with
TIME_IDS = 6  # SDXL's: original size, crop, target size


def build(config: dict[str, Any]) -> UNet2DConditionModel:
    return UNet2DConditionModel(**config)


def adapted(name: str, width: int, *, side: int, channels: int) -> UNet2DConditionModel:
    """A text-to-image UNet by name or `name:subfolder`, made to read vectors of another width.

    What does not depend on the text encoder keeps its weights; keys, values and the pooled input begin anew. A folder
    that holds a config and no weights gives a UNet that begins anew as a whole.
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
    """The config of a UNet that reads vectors of this width."""
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
    """The network's own config says how it takes the pooled vector."""
    pooled, t = tokens.mean(1), sigma * 1000
    if unet.config["addition_embed_type"] == "text_time":  # type: ignore[index]
        side = x.shape[-1] * 8
        ids = x.new_tensor([side, side, 0, 0, side, side]).expand(len(x), -1)
        out = unet(x, t, tokens, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids})
    else:
        out = unet(x, t, tokens, class_labels=pooled)
    v: Tensor = out.sample
    return v


def loss(unet: nn.Module, latents: Tensor, tokens: Tensor, drop: float = 0.0) -> dict[str, Tensor]:
    """Flow matching on latents, most of it near pure noise: there the tokens must do all the work."""
    sigma = 1 - torch.rand(len(latents), device=latents.device) ** 1.5
    noise = torch.randn_like(latents)
    s = sigma[:, None, None, None]
    if drop:  # for guidance
        tokens = tokens * (torch.rand(len(tokens), 1, 1, device=tokens.device) >= drop)
    v = velocity(unet, (1 - s) * latents + s * noise, sigma, tokens)
    return {"loss": F.mse_loss(v.float(), noise - latents)}


@dataclass(frozen=True)
class Learnt:
    """How many pictures a decoder's training showed, and how many it encoded for that."""

    shown: int
    encoded: int

    def flops(self, once: float, encode: float) -> float:
        """Of that training, from a pass through the UNet and from encoding a picture by tower and VAE; backward is
        twice a forward pass."""
        return 3 * once * self.shown + encode * self.encoded


class ClipDecoder(nn.Module):
    """Deterministic reconstruction: Euler steps from noise that is the same for every picture."""

    def __init__(
        self, unet: UNet2DConditionModel, vae: Vae, steps: int, guidance: float = 1.0, learnt: Learnt | None = None
    ) -> None:
        super().__init__()
        self.unet, self.vae, self.steps, self.guidance, self.learnt = unet, vae, steps, guidance, learnt

    @property
    def picture(self) -> int:
        """Side of what it gives back."""
        return int(self.unet.config["sample_size"]) * self.vae.factor

    def noise(self, number: int, seed: int | None = None) -> Tensor:
        """(number, c, h, w): one fixed draw for every picture, or with a seed one draw for each."""
        config = self.unet.config
        shape = (config["in_channels"], config["sample_size"], config["sample_size"])
        generator = torch.Generator().manual_seed(NOISE_SEED if seed is None else seed)
        if seed is None:
            return torch.randn(1, *shape, generator=generator).expand(number, -1, -1, -1)
        return torch.randn(number, *shape, generator=generator)

    def latents(self, tokens: Tensor, noise: Tensor | None = None) -> Tensor:
        x = (self.noise(len(tokens)) if noise is None else noise).to(tokens)
        scheduler = FlowMatchEulerDiscreteScheduler()
        # Even steps from pure noise; left to itself the scheduler spends its last one on a thousandth of the way.
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
    """What `make decoder` wrote; refused where it was trained on another tower or VAE."""
    path = Path(folder) / CARD
    try:
        card = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelError(f"foundations.decoder {folder}: no {CARD} there; `make decoder` trains one") from None
    except ValueError as error:
        raise ModelError(f"{path}: is no JSON: {error}") from None
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
    return ClipDecoder(unet, vae, card["steps"], card["guidance"], Learnt(shown, shown))
