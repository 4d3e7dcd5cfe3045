"""Full sizes, and tiny ones with which the same lines run on a CPU within a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablations.bench.gpu.lines import BEST, DESIGNS, FLOW, SWEEP, Line
from headtohead.config import presets
from headtohead.config.presets import applicable, configure
from headtohead.config.run_config import DecoderConfig, RunConfig

SHAPES = ((8192, 8192, 8192), (16384, 8192, 8192), (16384, 1792, 7168))  # rows, inner and columns of products
Sweep = Mapping[tuple[str, str], tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    """Sizes of everything that is measured.

    settings  of runs, over those of the preset
    stage     settings of the CLIP decoder's training
    shapes    of matrix products, by which the peak is measured
    sweep     batches by scale and design
    sampled   batches of sampling
    pictures  that a judge takes at once, and their side
    distance  pictures of the sample and of the reference, and dimensions of their features
    seconds   for which a line's rounds are repeated
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    stage: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, int, int], ...] = SHAPES
    sweep: Sweep = field(default_factory=lambda: dict(SWEEP))
    sampled: tuple[int, int] = (8, 64)
    pictures: tuple[int, int] = (16, 512)
    distance: tuple[int, int, int] = (10_000, 30_000, 2048)
    seconds: float = 2.0
    tiny: bool = False

    def config(self, line: Line) -> RunConfig:
        """The configuration of a line: a step is one batch of `line.batch` pictures."""
        own = {
            **self.settings, "compute.micro_batch": 0, "compute.compile": line.compiled,
            "compute.checkpointing": line.checkpointing, "compute.strategy": line.strategy,
            **({"train.batch": line.batch} if line.batch != BEST else {}),
        }  # fmt: skip
        return configure(line.design, line.scale, overrides=applicable(line.design, DESIGNS, own))

    def decoder(self, line: Line) -> DecoderConfig:
        """The training of the CLIP decoder of a line's scale."""
        return presets.decoder(line.scale, self.stage)


TINY = {
    "query.number": 4, "head.dim": 32, "head.layers": 2, "head.heads": 2, "head.kv_heads": 2, "head.multiple_of": 32,
    "sampling.steps": 2, "foundations.clip_picture": 0, "foundations.clip_side": 2, "foundations.picture": 32,
}  # fmt: skip
LANGUAGE = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "tie_word_embeddings": True,
}  # fmt: skip
VAE = {
    "block_out_channels": (8, 8, 8), "down_block_types": ("DownEncoderBlock2D",) * 3, "norm_num_groups": 4,
    "up_block_types": ("UpDecoderBlock2D",) * 3, "latent_channels": 4, "layers_per_block": 1,
}  # fmt: skip
UNET = {
    "block_out_channels": (16, 32), "layers_per_block": 1, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "attention_head_dim": (2, 4), "norm_num_groups": 4,
    "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
    "cross_attention_dim": 24, "projection_class_embeddings_input_dim": 68, "transformer_layers_per_block": (1, 1),
}  # fmt: skip
CLIP = {
    "embed_dim": 16, "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}  # fmt: skip


def tiny(folder: Path) -> Sizes:
    """Architectures without weights in a folder, and few of everything.

    folder  where their configs are written; it must stay until the last line is measured
    """
    for name, config in (("language", LANGUAGE), ("vae", VAE), ("unet", UNET)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
    (folder / "clip").mkdir()
    (folder / "clip" / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP, "preprocess_cfg": {}}))
    names = {f"foundations.{name}": str(folder / name) for name in ("language", "vae", "clip")}
    foundations = {key: value for key, value in {**TINY, **names}.items() if key.startswith("foundations.")}
    return Sizes(
        settings={**TINY, **names}, stage={**foundations, "unet": str(folder / "unet"), "steps": 2},
        shapes=((64, 64, 64), (128, 64, 32)), sweep={**dict.fromkeys(SWEEP, (2,)), ("paper", FLOW): (1, 2)},
        sampled=(1, 2), pictures=(2, 48), distance=(48, 64, 32), seconds=0.01, tiny=True,
    )  # fmt: skip
