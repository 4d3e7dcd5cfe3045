"""From CLIP tokens back to pictures: a diffusers UNet denoises VAE latents and sees the tokens, like the paper's SDXL.

tokens (B, N, width) -> cross-attention; their mean -> pooled embedding; noise (B, c, h, w) -> latents -> pictures
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.foundations.vae import Vae

NOISE_SEED = 20250514


def build(config: dict[str, Any]) -> UNet2DConditionModel:
    return UNet2DConditionModel(**config)


def loss(unet: nn.Module, latents: Tensor, tokens: Tensor) -> dict[str, Tensor]:
    """Flow matching on latents, most of it near pure noise: there the tokens must do all the work."""
    sigma = 1 - torch.rand(len(latents), device=latents.device) ** 1.5
    noise = torch.randn_like(latents)
    s = sigma[:, None, None, None]
    velocity = unet((1 - s) * latents + s * noise, sigma * 1000, tokens, class_labels=tokens.mean(1)).sample
    mse = F.mse_loss(velocity.float(), noise - latents)
    return {"loss": mse}


class ClipDecoder(nn.Module):
    """Deterministic reconstruction: few Euler steps from noise that is the same for every picture."""

    def __init__(self, unet: UNet2DConditionModel, vae: Vae, steps: int) -> None:
        super().__init__()
        self.unet, self.vae, self.steps = unet, vae, steps

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
        pooled = tokens.mean(1)
        for t in scheduler.timesteps:
            velocity = self.unet(x, t.expand(len(x)), tokens, class_labels=pooled).sample
            x = scheduler.step(velocity, t, x, return_dict=False)[0]
        return x

    def decode(self, tokens: Tensor, noise: Tensor | None = None) -> Tensor:
        """(B, N, width) standardised tokens -> (B, 3, H, W) in [0, 1]."""
        return self.vae.decode(self.latents(tokens, noise))
