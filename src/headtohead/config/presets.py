"""Scales: presets of a run's configuration, and learning rates that a search chose for each design."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from headtohead.config.design import AXIS, DESIGNS, GROUPS, group_of, variant
from headtohead.config.heads import HEADS
from headtohead.config.parsing import ConfigError, at, build, known
from headtohead.config.run_config import DecoderConfig, RunConfig

_PAPER_PROMPT = "Please generate an image based on the following caption: {caption}"

_SYSTEM = "You are a helpful assistant."
# Points before the last use an evenly spread subset of the prompts, the last one all of them. Decoding 36,472 pictures
# at every point would cost several times what the steps between two points do: `make plan` says how much.
_POINTS = {"every": 3200, "geneval": 138, "dpg": 133, "fid": 1000, "batch": 8}

# For four rows and columns: at a base of 10,000 most rotary channels hardly turn, and a VAE's tokens say nothing of
# their own place, as those of CLIP do.
_SMALL_GRID = {"rotary_base": 10.0, "places": True}

# Settings by scale, sizes of heads by head; a run adds its design, its seed and its overrides.
PRESETS: dict[str, dict[str, Any]] = {
    "micro": {
        "query": {"number": 16, "groups": 4},
        "compute": {"precision": "bf16", "compile": True},
        "head": {"dit": {"dim": 256, "layers": 4, "heads": 8, "kv_heads": 2, "multiple_of": 64, **_SMALL_GRID}},
        "train": {"steps": 1600, "batch": 64, "optimizer": "muon", "lr": 4e-3, "warmup": 100},
        "evaluation": {"every": 400, "geneval": 120, "dpg": 120},
        "data": {"pictures": 20_480, "dense": 0.75},
        "sampling": {"steps": 20, "guidance": 4.0, "guidance_from": 0.2},
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
        "head": {"dit": {"dim": 896, "layers": 12, "heads": 14, "kv_heads": 7}},
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
        "head": {"dit": {"dim": 1792, "layers": 24, "heads": 28, "kv_heads": 28}},
        "train": {"steps": 150_000, "batch": 512, "warmup": 450},
        "evaluation": _POINTS,
        "data": {"pictures": 25_000_000, "dense": 0.9},
    },
}

# How thoroughly points are measured (EVAL=tiny); `default` is as each scale says.
EVALUATIONS: dict[str, dict[str, Any]] = {
    "tiny": {"geneval": 24, "dpg": 12, "fid": 24, "final_geneval": 24, "final_dpg": 12, "final_fid": 24, "diverse": 2,
             "held_out": 32},
    "default": {},
    "full": {"geneval": 0, "dpg": 0, "fid": 0, "final_geneval": 0, "final_dpg": 0, "final_fid": 0},
}  # fmt: skip

# Training of each scale's decoder from CLIP tokens to pictures; micro's ships with the package.
_SDXL = {"unet": "stabilityai/stable-diffusion-xl-base-1.0:unet", "compute": {"precision": "bf16"}}
DECODERS: dict[str, dict[str, Any]] = {
    "single": {**_SDXL, "train": {"steps": 50_000, "batch": 64, "lr": 5e-5, "warmup": 500}},
    "paper": {**_SDXL, "train": {"steps": 100_000, "batch": 512, "lr": 1e-4, "warmup": 1000}},
}

# The best learning rate of one grid for all designs, by scale and design: results/rates/chosen.json.
CHOSEN: dict[str, dict[str, dict[str, Any]]] = {
    "micro": {
        "clip_mse": {"train.lr": 0.004},
        "clip_flow": {"train.lr": 0.016},
        "vae_flow": {"train.lr": 0.004},
    }
}


def configure(
    design: str, scale: str = "micro", seed: int = 0, overrides: Mapping[str, Any] | None = None, where: str = ""
) -> RunConfig:
    """Resolve the configuration of one run.

    design     a declared design's name
    scale      a preset's name
    seed       of weights, data order and noise
    overrides  values by dotted key, `{"head.dim": 256}`, typed or as text from the command line
    where      file or option that overrides come from, for messages
    """
    preset = PRESETS[known(scale, PRESETS, "scale", where)]
    axes = dataclasses.asdict(DESIGNS.find(design, where))
    given = {**chosen(design, scale, overrides or {}), **(overrides or {})}
    plain = json.loads(json.dumps({**preset, "design": axes, "scale": scale, "seed": seed}))
    _set(plain, {key: value for key, value in given.items() if key.startswith(AXIS)}, where)
    for axis, table in GROUPS.items():
        table.find(f"{plain['design'][axis]}", where, f"value of {AXIS}{axis}")
    head = plain["design"]["head"]
    plain |= {"head": {**HEADS[head].sizes.get(scale, {}), **preset["head"].get(head, {})}, "objective": {}}
    for key in given:
        _has(design, plain["design"], key, where)
    return build(RunConfig, _set(plain, given, where), where)


def _has(design: str, axes: Mapping[str, str], key: str, where: str) -> None:
    """Refuse a setting that only other heads, or other objectives, have."""
    if not (group := group_of(key)):
        return
    name, table, own = axes[group], GROUPS[group], key.partition(".")[2]
    keys = table[name].keys
    if own not in keys and any(own in other.keys for other in table.values()):
        having = f"has {', '.join(keys)}" if keys else "has no settings"
        raise ConfigError(f"{at(where)}{key}: {design} has no such setting: its {group} is {name}, which {having}")


def applicable(design: str, designs: Sequence[str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a sweep that apply to one of its designs.

    A setting of a head, or of an objective, applies to the designs whose head or objective has it. Where no design of
    the sweep has it, `configure` refuses it.

    design     one of the designs
    designs    all of the sweep's
    overrides  values by dotted key
    """

    def lacks(d: str, key: str) -> bool:
        group = group_of(key)
        if not group or d not in DESIGNS:
            return False
        spec = GROUPS[group].get(str(overrides.get(f"{AXIS}{group}", getattr(DESIGNS[d], group))))
        return spec is not None and key.partition(".")[2] not in spec.keys  # an unknown name `configure` refuses

    return {key: v for key, v in overrides.items() if not lacks(design, key) or all(lacks(d, key) for d in designs)}


def chosen(design: str, scale: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings that the grid of learning rates found best.

    design     a declared design; where overrides change its axes, the result is that of the changed design if any
    scale      at which they were searched
    overrides  values by dotted key
    """
    of = CHOSEN.get(scale, {})
    axes = {key: value for key, value in overrides.items() if key.startswith(AXIS)}
    return of.get(variant(design, axes), of.get(design, {}))


def decoder(scale: str, overrides: Mapping[str, Any] | None = None) -> DecoderConfig:
    """Resolve the configuration of a decoder's training on a scale's pretrained models and data.

    scale      a preset with a decoder of its own
    overrides  values by dotted key
    """
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
