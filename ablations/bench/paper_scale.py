"""Training speed at the paper's sizes with random weights: pictures a second, and the share of the measured peak.

Without a GPU every width is a quarter, at equal depth and equal tokens: matrices of 1/16 of the paper's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from ablations.bench.timing import peak, rounds
from ablations.plan.one_design import architectures
from headtohead.config.heads import DitConfig
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.models import build
from headtohead.models.generator import Generator
from headtohead.models.objectives.noise import fresh
from headtohead.models.query_encoder import QueryEncoder
from headtohead.pretrained.image_tokens import NamedClipTokens
from headtohead.training.lightning_module import DesignModule
from headtohead.utils import compute
from headtohead.utils.compute import autocast
from headtohead.utils.tensor_shapes import Grid

AIM = 0.4  # share of the measured peak that is aimed at, at full size
SHORT, DENSE, TEMPLATE = 20, 120, 40  # mean tokens of captions, and of the chat template around one
TOWER, LATENT = 1792, 4  # channels of EVA02-E's tokens and of SDXL's latents,
FACTOR = 8  # side of the pixels that one latent covers
DESIGNS = ("clip_flow", "vae_flow")
WAYS = {"plain pass": True, "prompt once": False}  # whether gradients flow through the prompt's tokens too


@dataclass(frozen=True)
class Size:
    """Size of the model: the paper's, or its widths divided at equal depth."""

    divisor: int
    precision: str
    tokens: int  # image tokens a step
    square: int  # side of the matrices by which the peak is measured

    @classmethod
    def of(cls, device: str) -> Size:
        return cls(1, "bf16", 8192, 8192) if device == "cuda" else cls(4, "float32", 256, 2048)

    @property
    def about(self) -> dict[str, Any]:
        d = self.divisor
        model = "full size" if d == 1 else f"1/{d * d}: every width divided by {d}, equal depth, equal tokens"
        return {"model": model, "weights": "random", "precision": self.precision, "aim at full size": AIM}


def config_of(design: str, size: Size, compiled: bool) -> RunConfig:
    head, d = configure(design, "paper").head, size.divisor
    assert isinstance(head, DitConfig)
    return configure(design, "paper", overrides={
        "head.dim": head.dim // d, "head.heads": head.heads // d, "head.kv_heads": head.kv_heads // d,
        "head.multiple_of": head.multiple_of // d, "head.modulation": head.modulation // d,
        "compute.precision": size.precision, "compute.compile": compiled, "compute.checkpointing": False,
    })  # fmt: skip


def grid_of(config: RunConfig, size: Size) -> Grid:
    if isinstance(build.image_tokens(config), NamedClipTokens):
        return Grid(config.foundations.clip_side, config.foundations.clip_side, TOWER // size.divisor)
    side = config.foundations.picture // FACTOR // config.codec.patch
    return Grid(side, side, LATENT * config.codec.patch**2)


def generator(config: RunConfig, size: Size, device: str, grid: Grid) -> Generator:
    d, shape = size.divisor, dict(architectures.LLAMA[config.foundations.language])
    for key in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"):
        shape[key] //= d
    torch.manual_seed(0)
    with torch.device(device):
        model = LlamaForCausalLM(LlamaConfig(**shape)).eval()
        queries = QueryEncoder(model, partial(prompts, shape["vocab_size"], config.data.dense), config.query, False)
        return Generator(queries, build.objective(config, grid, queries.width))


def prompts(words: int, dense: float, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Random token ids and their mask, as long as prompts of the corpora.

    words  size of the vocabulary
    dense  share of detailed captions
    texts  of which only the number counts
    """
    rng = np.random.default_rng(len(texts))
    mean = np.where(np.arange(len(texts)) < dense * len(texts), DENSE, SHORT)
    length = TEMPLATE + rng.poisson(mean)
    mask = torch.arange(int(length.max())) < torch.from_numpy(length)[:, None]
    return torch.from_numpy(rng.integers(0, words, mask.shape)), mask.long()


def measure(name: str, device: str, seconds: float) -> dict[str, Any]:
    """A training step on features that were encoded before: condition, loss, gradients, weights, their average.

    name     key of `parts`
    device   cpu or cuda
    seconds  for which steps are repeated
    """
    (design, whole, compiled), size = parts()[name], Size.of(device)
    config = config_of(design, size, compiled)
    grid = grid_of(config, size)
    net = generator(config, size, device, grid)
    net.queries.trained = whole  # the way alone: its weights stay frozen
    pictures = max(1, size.tokens // grid.tokens)
    x_1, texts = torch.randn(pictures, grid.tokens, grid.channels, device=device), [""] * pictures
    module = DesignModule(net, config, grid.target)
    optimizer = module.configure_optimizers()["optimizer"]

    def backward() -> None:
        with autocast(config.compute.precision, device):
            loss = net.objective.loss(grid.target(x_1), net.condition(texts), fresh(pictures, device))
        loss.backward()

    def step() -> None:
        backward()
        nn.utils.clip_grad_norm_(net.trained().values(), config.train.clip)
        optimizer.step()
        optimizer.zero_grad()
        module.average.step(1)

    with FlopCounterMode(display=False) as counter, torch.compiler.set_stance("force_eager"):
        backward()
    optimizer.zero_grad()
    flops, most = float(counter.get_total_flops()), peak(size.square, size.precision, device, seconds / 4)
    for _ in range(2):  # compiled and warm
        step()
    low, middle, high = np.quantile(rounds(step, device, seconds), (0.1, 0.5, 0.9))
    return {
        "part": name,
        "batch": pictures,
        "pictures/s": pictures / middle,
        "10 % to 90 %": [pictures / high, pictures / low],
        "TFLOP a picture": flops / pictures / 1e12,
        "TFLOP/s": flops / middle / 1e12,
        "peak TFLOP/s": most / 1e12,
        "share of peak": flops / middle / most,
        "parameters": sum(p.numel() for p in net.parameters()),
        "trained": sum(p.numel() for p in net.trained().values()),
        "peak MB": compute.peak_mb(device),
    }


def parts() -> dict[str, tuple[str, bool, bool]]:
    return {
        f"{design}: {way}, {'compiled' if compiled else 'eager'}": (design, whole, compiled)
        for design in DESIGNS
        for way, whole in WAYS.items()
        for compiled in (False, True)
    }
