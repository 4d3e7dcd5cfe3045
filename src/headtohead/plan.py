"""What a run will cost, before anything is spent: every part is built on the meta device, without a byte of weights.

FLOPs are counted by torch on one picture, not estimated: matrix products, convolutions and attention, forward and
backward where there is one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from headtohead.config import DecoderConfig, FoundationsConfig, RunConfig
from headtohead.design import Backbone, Representation
from headtohead.foundations import decoder, known
from headtohead.foundations.vae import Vae
from headtohead.heads import build as heads
from headtohead.heads.draws import Draws
from headtohead.query import QueryEncoder
from headtohead.shapes import Condition, Grid
from headtohead.strict import ConfigError

PROMPT = 160  # tokens: a detailed caption's 120, the paper's template and the turn around it
BYTES = {"float32": 4, "bf16": 2}
TRAINED_BYTES = 20  # a trained weight: itself, its gradient, AdamW's two moments, its average, in single precision
FROZEN_BYTES = 4
DPG, GENEVAL, MJHQ = 1065, 553, 30_000  # prompts of the full benchmarks
DPG_TIMES = 4


class _Shapes(Draws):
    """Noise without numbers: the meta device has no generator."""

    def __init__(self) -> None:
        pass

    def uniform(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x))

    def normal(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


NO_NOISE = _Shapes()


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def flops(work: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def saved_bytes(work: Callable[[], Any], width: int, of: nn.Module) -> float:
    """What a forward pass keeps for the backward one beside weights: floating tensors, counted at `width` bytes."""
    weights = {p.untyped_storage()._cdata for p in of.parameters()}
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        place = x.untyped_storage()._cdata
        if x.is_floating_point() and place not in weights:
            kept[place] = x.numel() * width
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        work()
    return float(sum(kept.values()))


@dataclass(frozen=True)
class Foundations:
    """Frozen parts of a scale, on the meta device, with the work of one picture in FLOPs."""

    tower: int
    tower_width: int
    encode_clip: float
    vae: int
    vae_channels: int
    vae_factor: int
    encode_vae: float
    decode_vae: float
    unet: int
    decode_clip: float  # every step of the solver, with guidance, and the VAE
    unet_step: float  # one training step's worth for one picture, forward and backward


def foundations(given: FoundationsConfig, stage: DecoderConfig) -> Foundations:
    import open_clip
    from diffusers import AutoencoderKL

    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        architecture = given.clip.partition(":")[0]
        if architecture not in open_clip.list_models():
            raise ConfigError(f"foundations.clip: open_clip knows no model {architecture}")
        tower = open_clip.create_model(
            architecture, load_weights=False, force_image_size=given.clip_picture or None, device="meta"
        ).visual
        size = tower.image_size[0] if isinstance(tower.image_size, tuple) else tower.image_size
        grids: list[Tensor] = []
        picture = torch.zeros(1, 3, size, size)
        with torch.no_grad():
            look: dict[str, Any] = {"indices": 1, "intermediates_only": True, "output_fmt": "NCHW"}
            encode = flops(lambda: grids.extend(tower.forward_intermediates(picture, **look)["image_intermediates"]))
        width = grids[-1].shape[1]
        vae = Vae(AutoencoderKL(**_known(known.VAE, given.vae, "foundations.vae")))
        shown = torch.zeros(1, 3, given.picture, given.picture)
        side = given.picture // vae.factor
        latents = torch.zeros(1, vae.channels, side, side)
        with torch.no_grad():
            into = flops(lambda: vae.model.encode(shown).latent_dist.mean)
            back = flops(lambda: vae.model.decode(latents))
        config = decoder.fitted(_known(known.UNET, stage.unet, "decoder.unet"), width, side=side, channels=vae.channels)
        unet = decoder.build(config)
        tokens, sigma = torch.zeros(1, given.clip_side**2, width), torch.zeros(1)
        with torch.no_grad():
            once = flops(lambda: decoder.velocity(unet, latents, sigma, tokens))
    return Foundations(
        parameters(tower), width, encode, parameters(vae), vae.channels, vae.factor, into, back, parameters(unet),
        once * stage.steps * (2 if stage.guidance != 1 else 1) + back, 3 * once,
    )  # fmt: skip


def _known(table: dict[str, dict[str, Any]], name: str, key: str) -> dict[str, Any]:
    """From the table, or from a local folder's config."""
    if name in table:
        return table[name]
    place, _, inner = name.partition(":")
    path = Path(place) / inner / "config.json"
    if not path.exists():
        raise ConfigError(f"{key} {name}: not planned for without its config; known: {', '.join(table)}, or a folder")
    import json

    config: dict[str, Any] = json.loads(path.read_text())
    return {k: v for k, v in config.items() if not k.startswith("_")}


@dataclass(frozen=True)
class Cost:
    """One design at one scale."""

    grid: Grid
    trainable: int
    head: int
    frozen: int  # held while training, encoders included where features are not cached
    train_head: float  # FLOPs a picture, forward and backward
    train_language: float
    encode: float
    sample: float
    decode: float
    kept: float  # bytes a picture for the backward pass

    @property
    def train(self) -> float:
        return self.train_head + self.train_language


def cost(config: RunConfig, f: Foundations) -> Cost:
    from transformers import LlamaConfig, LlamaForCausalLM

    clip = config.design.representation is not Representation.VAE
    patch, side = config.codec.patch, config.foundations.picture // f.vae_factor
    grid = Grid(config.foundations.clip_side, config.foundations.clip_side, f.tower_width)
    if not clip:
        grid = Grid(side // patch, side // patch, f.vae_channels * patch**2)
    width, how = BYTES[config.compute.precision], config.sampling
    plain = replace(config, compute=replace(config.compute, compile=False))
    with torch.device("meta"):
        language = _known(known.LLAMA, config.foundations.language, "foundations.language")
        model = LlamaForCausalLM(LlamaConfig(**language, attn_implementation="eager"))  # the others look at the mask
        ids = torch.zeros(1, PROMPT, dtype=torch.long)
        mask = torch.ones(1, PROMPT, dtype=torch.long)
        own = replace(config.query, number=heads.queries(config, grid), groups=1)
        trained = config.design.backbone is Backbone.TRAINED
        queries = QueryEncoder(model, lambda _: (ids, mask), own, trained)
        head: Any = heads.build(plain, grid, queries.width)
        x_1 = torch.zeros(1, grid.tokens, grid.channels)
        states = torch.zeros(1, own.number, queries.width, requires_grad=True)
        condition = Condition(states)
        train_head = flops(lambda: head.loss(x_1, condition, NO_NOISE).backward())
        train_language = flops(lambda: queries.read(ids, mask).sum().backward())
        kept = saved_bytes(lambda: head.loss(x_1, condition, NO_NOISE), width, head)
        kept += saved_bytes(lambda: queries.read(ids, mask), width, queries)
        with torch.no_grad():
            once = flops(lambda: head.sample(Condition(states.detach()), x_1, replace(how, steps=1, guidance=1.0)))
        reading = flops(lambda: queries.read(ids, mask))
    passes = how.steps * (2 if how.guidance != 1 else 1) if head.draws else 1
    encoder = f.tower if clip else f.vae
    return Cost(
        grid,
        trainable=sum(p.numel() for m in (queries, head) for p in m.parameters() if p.requires_grad),
        head=parameters(head),
        frozen=sum(p.numel() for p in queries.parameters() if not p.requires_grad)
        + (0 if config.data.features else encoder),
        train_head=train_head,
        train_language=train_language,
        encode=f.encode_clip if clip else f.encode_vae,
        sample=reading + passes * once,
        decode=f.decode_clip if clip else f.decode_vae,
        kept=kept,
    )
