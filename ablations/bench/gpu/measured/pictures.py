"""From prompts to image tokens and from those to pictures; the distance between two sets of features."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from ablations.bench.gpu import models
from ablations.bench.gpu.lines import Line
from ablations.bench.gpu.measured.training import forget_peak
from ablations.bench.gpu.sizes import Sizes
from ablations.bench.timing import rate_of, rounds
from headtohead.eval.metrics.fid import Reference
from headtohead.models import build
from headtohead.models.sampling import sample
from headtohead.utils import compute
from headtohead.utils.compute import autocast

LEAST = 2  # rounds: a picture takes up to some seconds


def sampling(line: Line, sizes: Sizes, device: str, peak: float) -> dict[str, Any]:
    """Prompts to image tokens, as at a point of a curve.

    line    with the design and the batch
    sizes   of its model
    device  cpu or cuda
    peak    unused
    """
    config = sizes.config(line)
    generator = models.parts(config, sizes.decoder(line), device).generator
    prompts = models.captions(line.batch)

    def work() -> None:
        with autocast(config.compute.precision, device):
            sample(generator, next(prompts), config.sampling, seed=0)

    forget_peak(device)
    times = rounds(work, device, sizes.seconds, LEAST)
    return {**rate_of(line.batch, times), "steps": config.sampling.steps, "peak MB": compute.peak_mb(device)}


@torch.no_grad()
def decoding(line: Line, sizes: Sizes, device: str, peak: float) -> dict[str, Any]:
    """Image tokens to pictures; arguments as of `sampling`."""
    config = sizes.config(line)
    codec = models.codec_of(build.image_tokens(config), sizes.decoder(line), models.UNUSED, device)
    tokens = torch.randn(line.batch, codec.grid.tokens, codec.grid.channels, device=device)

    def work() -> None:
        with autocast(config.compute.precision, device):
            codec.decode(tokens)

    forget_peak(device)
    times = rounds(work, device, sizes.seconds, LEAST)
    return {**rate_of(line.batch, times), "side": config.foundations.picture, "peak MB": compute.peak_mb(device)}


def distance(line: Line, sizes: Sizes, device: str, peak: float) -> dict[str, Any]:
    """A Fréchet distance, computed on the CPU in double precision: seconds once for a reference and for each sample."""
    number, reference, d = sizes.distance
    rng, scale = np.random.default_rng(0), np.geomspace(1, 1e-3, d)
    began = time.perf_counter()
    kept = Reference.of(rng.standard_normal((reference, d)) * scale)
    kept.root.sum()
    once = time.perf_counter() - began
    features = rng.standard_normal((number, d)) * scale[::-1] + 0.01
    times = rounds(lambda: kept.distance(features), "cpu", sizes.seconds, LEAST)
    return {
        "seconds": float(np.median(times)), "reference once": once, "pictures": number, "reference": reference,
        "dimensions": d,
    }  # fmt: skip
