"""Parts of trainings and points that are timed: each is built once for a device and then repeats one batch."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headtohead.config.design import DESIGNS
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.data.synthetic_batches import StepBatch, Steps
from headtohead.eval.benchmarks.base import BENCHMARKS
from headtohead.eval.curve_points import real_pictures, score
from headtohead.eval.curve_points.prompts import prompt_set
from headtohead.eval.judges import pixels
from headtohead.eval.metrics import fid
from headtohead.models import kept_prompts
from headtohead.models.build import Parts, assemble
from headtohead.models.query_encoder import QueryEncoder
from headtohead.models.sampling import paint, sample
from headtohead.pretrained.loading import shipped
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw
from headtohead.training.flop_counts import flops_a_picture
from headtohead.training.lightning_module import DesignModule
from headtohead.utils import compute
from headtohead.utils.errors import Diverged

BATCH = 128
STEP = "training step"
SQUARE = 2048  # side of the matrices by which a machine's peak is measured
Work = Callable[[], Any]
BatchWork = Callable[[StepBatch], None]
Part = Callable[[str], tuple[Work, int]]  # takes the device; returns the work of a round, and its pictures


def _pictures(device: str) -> torch.Tensor:
    return render(draw(0, np.arange(BATCH)), device)


def _draw(device: str) -> tuple[Work, int]:
    return lambda: draw(0, np.arange(BATCH)), BATCH


def _render(device: str) -> tuple[Work, int]:
    scenes = draw(0, np.arange(BATCH))
    return lambda: render(scenes, device), BATCH


def _judge(device: str) -> tuple[Work, int]:
    detector, pictures = pixels.load(device), _pictures(device)
    return lambda: detector.detect(pictures), BATCH


def _vae_encode(device: str) -> tuple[Work, int]:
    vae, pictures = shipped.vae(device), _pictures(device)
    return lambda: vae.encode(pictures), BATCH


def _vae_decode(device: str) -> tuple[Work, int]:
    vae = shipped.vae(device)
    latents = vae.encode(_pictures(device))
    return lambda: vae.decode(latents), BATCH


def _clip_encode(device: str) -> tuple[Work, int]:
    tower, pictures = shipped.tower("clip", device), _pictures(device)
    return lambda: tower.encode(pictures), BATCH


def _clip_decode(device: str) -> tuple[Work, int]:
    decoder, tokens = shipped.clip_decoder("clip", device), shipped.tower("clip", device).encode(_pictures(device))
    return lambda: decoder.decode(tokens), BATCH


def _features(device: str) -> tuple[Work, int]:
    net, pictures = shipped.feature_net(device), _pictures(device)
    return lambda: net(pictures), BATCH


def _made(design: str, device: str) -> tuple[RunConfig, Parts]:
    config = configure(design)
    return config, assemble(config, device)


def batches_of(config: RunConfig, parts: Parts, device: str, many: int = 8) -> list[StepBatch]:
    """Batches of training with random tokens, on the device."""
    size, grid = config.train.batch, parts.codec.grid
    tokens = torch.randn(size * many, grid.tokens, grid.channels, device=device)
    return list(Steps(tokens, seed=0, batch=size, start=0, stop=many, dense=config.data.dense))


def _step(design: str, device: str) -> tuple[Work, int]:
    """One optimizer step on random tokens, in the precision of the default scale on this device."""
    config, parts = _made(design, device)
    _, step = trainer_step(parts, config, device)
    some = batches_of(config, parts, device)
    _keep_prompts(config, parts.generator.queries, [text for batch in some for text in batch.captions])
    batches = itertools.cycle(some)
    return torch.enable_grad()(lambda: step(next(batches))), config.train.batch


def _keep_prompts(config: RunConfig, queries: QueryEncoder, captions: list[str]) -> None:
    """As a run of the default length does, whose captions repeat."""
    if queries.trained:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kept.safetensors"
        queries.keep(captions, path, config.compute.precision)
        queries.kept = kept_prompts.KeptPrompts(path)  # an open file outlives its folder


def cost(design: str, device: str) -> tuple[float, str]:
    """FLOPs of a picture in a training step of a design, and the precision in which the device computes it."""
    config, parts = _made(design, device)
    with torch.enable_grad():
        flops = flops_a_picture(parts, batches_of(config, parts, device, 1)[0], device)
    return flops, compute.computed_in(config.compute.precision, device)


def _sample(design: str, device: str) -> tuple[Work, int]:
    """Prompts to image tokens, sampled as in a run."""
    config, parts = _made(design, device)
    texts = prompt_set("dev", pictures={"geneval": BATCH}, device=device).texts

    def work() -> torch.Tensor:
        with compute.autocast(config.compute.precision, device):
            return sample(parts.generator, texts, config.sampling, seed=0)

    return work, len(texts)


def _paint(design: str, device: str) -> tuple[Work, int]:
    """Prompts to pictures."""
    config, parts = _made(design, device)
    texts = prompt_set("dev", pictures={"geneval": BATCH}, device=device).texts

    def work() -> torch.Tensor:
        with compute.autocast(config.compute.precision, device):
            return paint(parts.generator, parts.codec, texts, config.sampling, seed=0)

    return work, len(texts)


def _benchmark(name: str, device: str) -> tuple[Work, int]:
    """Judge true pictures of its prompts and compute its scores."""
    test, judges = prompt_set("dev", pictures={name: BATCH}, device=device), score.judges(pixels.load(device))
    benchmark = BENCHMARKS[name]
    return lambda: benchmark.scores(test.items, benchmark.judge(test.items, test.pictures, judges)), len(test.items)


def _fid(device: str) -> tuple[Work, int]:
    net, pictures = shipped.feature_net(device), _pictures(device)
    reference = fid.Reference.of(real_pictures.features_of(pictures, net))

    def work() -> float:
        metric = fid.FrechetDistance(reference)
        metric.update(real_pictures.features_of(pictures, net))
        return float(metric.compute())

    return work, BATCH


def _diversity(device: str) -> tuple[Work, int]:
    test, judge = prompt_set("dev", pictures={"geneval": 24}, device=device), pixels.load(device)
    items, net = score.several(test, 24), shipped.feature_net(device)
    by_noise = {"fixed": score.renders(items, device)}
    return lambda: score.diversity(items, by_noise, judge, net), len(items)


FOUNDATIONS: dict[str, Part] = {
    "draw scenes": _draw,
    "render": _render,
    "judge": _judge,
    "VAE encode": _vae_encode,
    "VAE decode": _vae_decode,
    "CLIP encode": _clip_encode,
    "CLIP decode": _clip_decode,
    "FID features": _features,
}
DESIGN_PARTS: dict[str, Part] = {
    f"{design}: {name}": partial(part, design)
    for design in DESIGNS
    for name, part in ((STEP, _step), ("sampling", _sample), ("prompts to pictures", _paint))
}
METRICS: dict[str, Part] = {
    "GenEval": partial(_benchmark, "geneval"), "DPG": partial(_benchmark, "dpg"), "FID": _fid, "diversity": _diversity,
}  # fmt: skip
GROUPS = {"foundations": FOUNDATIONS, "designs": DESIGN_PARTS, "metrics": METRICS}
PARTS = {name: part for group in GROUPS.values() for name, part in group.items()}


def trainer_step(parts: Parts, config: RunConfig, device: str) -> tuple[BatchWork, BatchWork]:
    """Two functions of a batch: its gradients, and a whole optimizer step as a run's trainer does it.

    parts   whose generator is trained
    config  of the run
    device  cpu or cuda
    """
    net = parts.generator
    module = DesignModule(net, config, parts.target).to(device).train()
    module.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer to log to
    optimizer = module.configure_optimizers()["optimizer"]
    optimizer.zero_grad()  # of another training of the same parts

    def backward(batch: StepBatch) -> None:
        module.training_step(batch, 0).backward()

    def step(batch: StepBatch) -> None:
        backward(batch)
        norm = torch.nn.utils.clip_grad_norm_(net.trained().values(), config.train.clip)
        if not torch.isfinite(norm):
            raise Diverged(f"the gradient's norm is {float(norm):.4g}")
        optimizer.step()
        optimizer.zero_grad()
        module.average.step(1)

    return backward, step
