"""A run's modules at full size with random weights, built on the device from architectures: no hub, no files.

The parts are those of a real run: `models.build` makes head and objective, `pretrained` the codec around its networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial, singledispatch
from itertools import count

import numpy as np
import torch
from torch import Tensor

from ablations.plan.one_design import accelerators, networks
from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import DecoderConfig, RunConfig
from headtohead.data.synthetic_batches import StepBatch
from headtohead.models import build
from headtohead.models.build import Parts
from headtohead.models.generator import Generator
from headtohead.models.query_encoder import QueryEncoder
from headtohead.pretrained.image_tokens import ClipCodec, Codec, NamedClipTokens, Source, VaeCodec, VaeTokens, vae_grid
from headtohead.pretrained.networks.clip_decoder import ClipDecoder
from headtohead.utils.tensor_shapes import Grid

UNUSED = "meta"  # device of the half of a codec that a measurement does not use: shapes without memory
RANDOM = "random weights"  # in place of a hash of trained ones


def parts(
    config: RunConfig, stage: DecoderConfig, device: str, *, encoder: bool = False, decoder: bool = False
) -> Parts:
    """Codec and generator.

    config   of the run
    stage    training of its CLIP decoder, which says of which UNet it is made and how it samples
    device   cpu or cuda
    encoder  whether pictures are encoded
    decoder  whether tokens are decoded
    """
    ends = (device if encoder else UNUSED, device if decoder else UNUSED)
    codec = codec_of(build.image_tokens(config), stage, *ends)
    torch.manual_seed(config.seed)
    with torch.device(device):
        shape = networks.language_config(config.foundations.language)
        model = networks.language_model(shape).eval()
        query = replace(config.query, number=build.queries(config, codec.grid))
        encode = partial(prompts, shape["vocab_size"], config)
        queries = QueryEncoder(model, encode, query, trained=build.trains_backbone(config))
        return Parts(codec, Generator(queries, build.objective(config, codec.grid, queries.width)).to(device))


@singledispatch
def codec_of(source: Source, stage: DecoderConfig, encoder: str, decoder: str) -> Codec:
    """The codec of a representation, by the class of its source.

    source   which pretrained models it is made of
    stage    training of the CLIP decoder
    encoder  device of the networks that encode
    decoder  device of those that decode
    """
    raise ConfigError(f"{type(source).__name__}: this source of image tokens cannot be built with random weights")


@codec_of.register
def _(source: VaeTokens, stage: DecoderConfig, encoder: str, decoder: str) -> Codec:
    with torch.device(decoder if encoder == UNUSED else encoder):
        own = networks.vae(source.given.vae)
    grid = vae_grid(source.given.picture, own.factor, own.channels, source.patch)
    return VaeCodec(own, source.patch, grid, RANDOM, source.given.picture)


@codec_of.register
def _(source: NamedClipTokens, stage: DecoderConfig, encoder: str, decoder: str) -> Codec:
    given = source.given
    with torch.device(encoder):
        tower = networks.tower(given)
    with torch.device(decoder):
        latents = networks.vae(given.vae)
        side = given.picture // latents.factor
        unet = networks.unet(stage.unet, tower.width, side=side, channels=latents.channels)
    back = ClipDecoder(unet, latents, stage.steps, stage.guidance)
    return ClipCodec(tower, back, Grid(given.clip_side, given.clip_side, tower.width), RANDOM, tower.picture)


def prompts(words: int, config: RunConfig, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Random token ids (B, L) and their mask (B, L), as long as prompts of the corpora.

    words   size of the vocabulary
    config  of the run: share of detailed captions, longest prompt
    texts   of which only the number B counts
    """
    rng = np.random.default_rng(len(texts))
    detailed = np.arange(len(texts)) < round(config.data.dense * len(texts))
    mean = np.where(detailed, accelerators.DETAILED, accelerators.SHORT)
    length = np.minimum(accelerators.TURN + rng.poisson(mean), config.query.longest)
    mask = torch.arange(int(length.max()), device="cpu") < torch.from_numpy(length)[:, None]
    return torch.from_numpy(rng.integers(0, words, mask.shape)), mask.long()


def captions(number: int) -> Iterator[list[str]]:
    """Lists of captions, each of which occurs once, as in the first epoch of a large corpus."""
    for first in count(0, number):
        yield [f"caption {k}" for k in range(first, first + number)]


def batches(codec: Codec, number: int, device: str, *, encoded: bool) -> Iterator[StepBatch]:
    """Random batches of training steps.

    codec    of the representation
    number   pictures of a batch
    device   on which the pictures are
    encoded  image tokens, as cached features give; else pictures as bytes, as shards give
    """
    grid, side = codec.grid, codec.side
    made = torch.Generator(device).manual_seed(0)
    if encoded:
        x_1 = torch.randn(number, grid.tokens, grid.channels, generator=made, device=device)
    else:
        x_1 = torch.randint(256, (number, 3, side, side), generator=made, device=device, dtype=torch.uint8)
    for texts in captions(number):
        yield StepBatch(texts, x_1)
