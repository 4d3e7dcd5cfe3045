"""Published networks without their weights: built from architectures alone, on the default device of the caller.

On the meta device they cost nothing and show FLOPs and memory; on a GPU, with the random weights that their libraries
begin with, they compute as fast as trained ones.
"""

from __future__ import annotations

from typing import Any

import open_clip
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import AutoConfig, AutoModelForCausalLM

from ablations.plan.one_design import architectures
from headtohead.config.run_config import SHIPPED, FoundationsConfig
from headtohead.pretrained.loading import open_clip_models
from headtohead.pretrained.making.recipes import RECIPES
from headtohead.pretrained.networks import clip_decoder
from headtohead.pretrained.networks.image_encoders import OpenTower
from headtohead.pretrained.networks.vae import Vae, build

LEFT_OUT = ("layer_types", "dtype", "torch_dtype")  # of a config: they follow from what is built


def language_config(name: str) -> dict[str, Any]:
    """Sizes of the language model that foundations.language names."""
    if name == SHIPPED:
        found: dict[str, Any] = {**RECIPES["language"].config}
    else:
        found = architectures.architecture(architectures.LLAMA, name, "foundations.language")
    return {"model_type": "llama", **{k: v for k, v in found.items() if k not in LEFT_OUT}}


def language_model(config: dict[str, Any], attention: str | None = None) -> Any:
    """A language model in single precision.

    config     sizes, as of `language_config`
    attention  transformers' name of an implementation; None: its own choice
    """
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), attn_implementation=attention)


def vae(name: str) -> Vae:
    """The VAE that foundations.vae names, frozen."""
    if name == SHIPPED:
        inner = build({**RECIPES["vae"].config, "scaling_factor": 1.0, "shift_factor": 0.0})
    else:
        inner = AutoencoderKL.from_config(architectures.architecture(architectures.VAE, name, "foundations.vae"))
    return Vae(inner).eval().requires_grad_(False)


def tower(given: FoundationsConfig) -> OpenTower:
    """The image tower of the OpenCLIP model that foundations.clip names, frozen."""
    model: Any = open_clip.create_model(
        open_clip_models.architecture(given.clip, "foundations.clip"),
        load_weights=False, force_image_size=given.clip_picture or None, device=torch.get_default_device(),
    )  # fmt: skip
    return OpenTower(model.visual, given.clip_side).eval().requires_grad_(False)


def unet(name: str, width: int, *, side: int, channels: int) -> UNet2DConditionModel:
    """The decoder's UNet, frozen.

    name            that decoder.unet gives
    width           of the CLIP tokens
    side, channels  of the latents
    """
    config = architectures.architecture(architectures.UNET, name, "decoder.unet")
    return frozen_unet(clip_decoder.fitted(config, width, side=side, channels=channels))


def frozen_unet(config: dict[str, Any]) -> UNet2DConditionModel:
    return clip_decoder.build(config).eval().requires_grad_(False)
