"""Architectures of public models, so that a plan needs neither their weights nor access to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headtohead.config.parsing import ConfigError

LLAMA: dict[str, dict[str, Any]] = {
    "meta-llama/Llama-3.2-1B-Instruct": {
        "vocab_size": 128_256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": True,
    },
}  # fmt: skip
_VAE = {
    "block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4, "layers_per_block": 2, "in_channels": 3, "out_channels": 3,
}  # fmt: skip
VAE: dict[str, dict[str, Any]] = {
    "stabilityai/sdxl-vae": {**_VAE, "latent_channels": 4},
    "black-forest-labs/FLUX.1-dev:vae": {
        **_VAE, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False,
    },
}  # fmt: skip
UNET: dict[str, dict[str, Any]] = {
    "stabilityai/stable-diffusion-xl-base-1.0:unet": {
        "block_out_channels": (320, 640, 1280), "layers_per_block": 2,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048, "use_linear_projection": True, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 1280 + 6 * 256,
    },
}  # fmt: skip


def architecture(table: dict[str, dict[str, Any]], name: str, key: str) -> dict[str, Any]:
    """A model's architecture.

    table  of known architectures
    name   key of the table, or a local folder with a config.json, as FOLDER or FOLDER:SUBFOLDER
    key    setting that names the model, for errors
    """
    if name in table:
        return table[name]
    place, _, inner = name.partition(":")
    path = Path(place) / inner / "config.json"
    try:
        config = json.loads(path.read_text())
    except OSError:
        raise ConfigError(
            f"{key} {name}: its architecture is not known without a config; there are {', '.join(table)}, or a folder"
        ) from None
    except ValueError as error:
        raise ConfigError(f"{key} {name}: {path} is no JSON: {error}") from None
    return {k: v for k, v in config.items() if not k.startswith("_")}
