"""A scale is a preset of the configuration and nothing else; a design may bring settings that were chosen for it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from headtohead.config.design import AXIS, DESIGNS, variant
from headtohead.config.parsing import ConfigError, at, build, known
from headtohead.config.run_config import DecoderConfig, RunConfig

_PAPER_PROMPT = "Please generate an image based on the following caption: {caption}"

_SYSTEM = "You are a helpful assistant."
# A point on the way asks a subset, evenly spread; the end asks everything. Decoding 36,472 pictures at every point
# would cost several times what the steps between two points do: `make plan` says how much.
_POINTS = {"every": 3200, "geneval": 138, "dpg": 133, "fid": 1000, "batch": 8}

# What each scale says; a run adds its design, its seed and its overrides.
PRESETS: dict[str, dict[str, Any]] = {
    "micro": {
        "query": {"number": 16, "groups": 4},
        "head": {"dim": 256, "layers": 4, "heads": 8, "kv_heads": 2, "multiple_of": 64},
        "train": {"steps": 1600, "batch": 64, "lr": 4e-3, "warmup": 100},
        "evaluation": {"every": 200, "geneval": 120, "dpg": 120},
        "data": {"pictures": 20_480, "dense": 0.75},
        "sampling": {"steps": 20, "guidance": 2.0},
    },
    "single": {
        "foundations": {
            "language": "meta-llama/Llama-3.2-1B-Instruct",
            "clip": "ViT-L-14-quickgelu:openai",
            "vae": "stabilityai/sdxl-vae",
            "decoder": "foundations/decoder-single",
            "picture": 256,
        },
        "query": {"number": 64, "template": _PAPER_PROMPT, "system": _SYSTEM},
        "compute": {"precision": "bf16", "compile": True, "micro_batch": 32},
        "exam": {"source": "official"},
        "head": {"dim": 896, "layers": 12, "heads": 14, "kv_heads": 7},
        "train": {"steps": 64_000, "batch": 128, "warmup": 500},
        "evaluation": _POINTS,
        "data": {"pictures": 2_000_000, "dense": 0.9},
    },
    "paper": {
        "foundations": {
            "language": "meta-llama/Llama-3.2-1B-Instruct",
            "clip": "EVA02-E-14-plus:laion2b_s9b_b144k",
            "clip_picture": 448,
            "vae": "stabilityai/sdxl-vae",
            "decoder": "foundations/decoder-paper",
            "picture": 512,
        },
        "query": {"number": 64, "template": _PAPER_PROMPT, "system": _SYSTEM},
        "compute": {"precision": "bf16", "compile": True, "checkpointing": True},
        "exam": {"source": "official"},
        "head": {"dim": 1792, "layers": 24, "heads": 28, "kv_heads": 28},
        "train": {"steps": 150_000, "batch": 512, "warmup": 450},
        "evaluation": _POINTS,
        "data": {"pictures": 25_000_000, "dense": 0.9},
    },
}

# How each scale's decoder from CLIP tokens to pictures is trained; the embedded one is made by `make foundations`.
_SDXL = {"unet": "stabilityai/stable-diffusion-xl-base-1.0:unet", "compute": {"precision": "bf16"}}
DECODERS: dict[str, dict[str, Any]] = {
    "single": {**_SDXL, "train": {"steps": 50_000, "batch": 64, "lr": 5e-5, "warmup": 500}},
    "paper": {**_SDXL, "train": {"steps": 100_000, "batch": 512, "lr": 1e-4, "warmup": 1000}},
}

# What one grid of learning rates for all cells found best, by scale and cell: results/rates/chosen.json.
CHOSEN: dict[str, dict[str, dict[str, Any]]] = {
    "micro": {
        "clip_mse": {"train.lr": 0.004},
        "clip_flow": {"train.lr": 0.016},
        "clip_flow+design.backbone=trained": {"train.lr": 0.002},
        "vae_flow": {"train.lr": 0.002},
        "vae_flow+design.backbone=trained": {"train.lr": 0.0005},
        "vae_mse": {"train.lr": 0.004},
        "clip_mse_dit": {"train.lr": 0.004},
        "clip_mse_dit+design.backbone=trained": {"train.lr": 0.002},
        "vae_mse_dit": {"train.lr": 0.002},
        "vae_mse_dit+design.backbone=trained": {"train.lr": 0.004},
    }
}


def configure(
    design: str, scale: str = "micro", seed: int = 0, overrides: Mapping[str, Any] | None = None, where: str = ""
) -> RunConfig:
    """The configuration of one run; overrides are `{"head.dim": 256}`, typed or as text from the command line."""
    given = PRESETS[known(scale, PRESETS, "scale", where)]
    axes = dataclasses.asdict(DESIGNS[known(design, DESIGNS, "design", where)])
    plain = json.loads(json.dumps({**given, "design": axes, "scale": scale, "seed": seed}))
    return build(RunConfig, _set(plain, {**chosen(design, scale, overrides or {}), **(overrides or {})}, where), where)


def chosen(design: str, scale: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the grid found for the design with these axes; for the declared one where it did not ask for them."""
    of = CHOSEN.get(scale, {})
    axes = {key: value for key, value in overrides.items() if key.startswith(AXIS)}
    return of.get(variant(design, axes), of.get(design, {}))


def decoder(scale: str, overrides: Mapping[str, Any] | None = None) -> DecoderConfig:
    """The configuration of a decoder's training: what it stands on and learns from is the scale's own."""
    given = PRESETS[known(scale, PRESETS, "scale")]
    if scale not in DECODERS:
        raise ConfigError(f"scale {scale}: brings its decoder along; `make foundations` makes it")
    own = {key: given[key] for key in ("foundations", "data")}
    return build(DecoderConfig, _set(json.loads(json.dumps({**own, **DECODERS[scale]})), overrides or {}, ""))


def _set(plain: dict[str, Any], overrides: Mapping[str, Any], where: str) -> dict[str, Any]:
    for key, value in overrides.items():
        if key in ("seed", "scale", "design"):
            raise ConfigError(f"{at(where)}{key}: is no setting; it has an option of its own")
        *parents, last = key.split(".")
        node = plain
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"{at(where)}{key}: {parent} holds no settings of its own")
        node[last] = value
    return plain
