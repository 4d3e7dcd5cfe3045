"""The VAE: diffusers' AutoencoderKL. The shipped one encodes 64 x 64 pictures as 4 x 8 x 8 latents."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.pretrained.loading.by_name import fetched
from headtohead.synthetic.dataset import pictures_of_step

KL_WEIGHT = 1e-6
# Pixels that a CPU convolves at once where no gradient is wanted: the activations of more do not fit its cache, and 128
# pictures of 64 x 64 take about twice as long a picture as 32.
CPU_PIXELS = 32 * 64 * 64


def build(config: dict[str, Any]) -> AutoencoderKL:
    depth = len(config["block_out_channels"])
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * depth, up_block_types=("UpDecoderBlock2D",) * depth, **config
    )


def load(name: str) -> Vae:
    """A VAE by name or folder, with `:SUBFOLDER` where it lies in one; scale and shift come from its config."""
    place, _, inner = name.partition(":")
    model = fetched(
        "the VAE",
        place,
        "foundations.vae",
        lambda: AutoencoderKL.from_pretrained(place, subfolder=inner or None, use_safetensors=True),
    )
    return Vae(model)


def loss(model: nn.Module, seed: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
    pictures = pictures_of_step(seed, step, batch, device) * 2 - 1
    return reconstruction(model, pictures.to(memory_format=torch.channels_last))


def reconstruction(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    assert isinstance(model, AutoencoderKL)
    posterior = model.encode(x).latent_dist
    back = model.decode(posterior.sample()).sample.float()
    mse, l1 = F.mse_loss(back, x), F.l1_loss(back, x)
    kl = posterior.kl().mean()
    return {"loss": mse + 0.5 * l1 + KL_WEIGHT * kl, "mse": mse, "kl": kl}


class Vae(nn.Module):
    """Pictures in [0, 1] to standardised latents and back; encoding is deterministic, since it takes the mean."""

    def __init__(self, model: AutoencoderKL) -> None:
        super().__init__()
        self.model = model

    @property
    def factor(self) -> int:
        """Side in pixels of what one latent stands for."""
        return int(2 ** (len(self.model.config["block_out_channels"]) - 1))

    @property
    def channels(self) -> int:
        return int(self.model.config["latent_channels"])

    def encode(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, c, h, w)."""
        parts = self._parts(pictures, 1)
        mean = torch.cat([self.model.encode(part * 2 - 1).latent_dist.mean for part in parts])
        return (mean - self._shift()) * self._scale()

    def decode(self, latents: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 3, H, W) in [0, 1]."""
        raw = latents / self._scale() + self._shift()
        parts = self._parts(raw, self.factor)
        pictures = torch.cat([self.model.decode(part).sample for part in parts])
        return (pictures / 2 + 0.5).clamp(0, 1)

    def _parts(self, x: Tensor, side: int) -> tuple[Tensor, ...]:
        """A batch (B, c, h, w) in parts that are fastest; each of its values stands for side x side pixels."""
        if x.device.type != "cpu" or torch.is_grad_enabled():
            return (x,)
        return x.split(max(1, CPU_PIXELS // (x.shape[-2:].numel() * side**2)))

    def _scale(self) -> float:
        return float(self.model.config["scaling_factor"])

    def _shift(self) -> float:
        return float(self.model.config["shift_factor"] or 0.0)
