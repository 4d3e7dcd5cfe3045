"""The training data of a run, from its configuration: the synthetic dataset, or corpora in tar shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import WORLD, DataConfig, RunConfig, TrainConfig
from headtohead.data import mixture, shard_batches
from headtohead.data.feature_cache import read
from headtohead.data.feature_cache.write import Recipe, cache_features
from headtohead.data.mixture import Mix
from headtohead.data.order import Portion
from headtohead.data.synthetic_batches import Captions, Source, Steps, encoded
from headtohead.pretrained.image_tokens import Codec
from headtohead.utils.compute import autocast
from headtohead.utils.files import fingerprint


@dataclass(frozen=True)
class TrainingData:
    """Batches of a run, and their origin.

    batches   from a step to an iterable of batches that begins there
    about     what a run's record says of the data
    captions  all of them, where that is a small set
    """

    batches: Callable[[int], Iterable[Any]]
    about: Callable[[], dict[str, Any]]
    captions: Captions | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the data; a run resumes only on data with the same one."""
        return str(self.about()["data"]["fingerprint"])


def build(
    config: RunConfig, portion: Portion, codec: Codec, cache: Path, device: str, say: Callable[[str], None]
) -> TrainingData:
    """The training data that a configuration names.

    portion  rows of each global batch for this rank
    codec    pictures to image tokens
    cache    folder in which the synthetic dataset's tokens are kept
    device   on which they are computed
    say      called with lines for the user
    """
    if config.data.mix == WORLD:
        return _world(config, portion, codec, cache, device, say)
    return from_shards(training_mix(config, codec), config.data, config.train, config.seed, portion)


def first(config: RunConfig, codec: Codec, number: int, cache: Path, device: str) -> Iterator[Tensor]:
    """Pictures or image tokens of at least `number` training samples, by batch: the same for every seed and rank."""
    batch = config.train.batch
    alike = replace(config, seed=0, train=replace(config.train, steps=-(-number // batch)))
    for some in build(alike, Portion.of(batch), codec, cache, device, lambda line: None).batches(0):
        yield some.x_1


def training_mix(config: RunConfig, codec: Codec) -> Mix:
    """The mix that a run reads, as pictures or cached features, with its held-out samples set aside."""
    mix = opened(config.data, codec.side)
    if config.data.features:
        mix = read.as_features(mix, recipes(mix, codec), config.data.features)
    return mix.holding_out(config.evaluation.held_out)


def held_out(config: RunConfig, codec: Codec) -> tuple[list[str], Tensor]:
    """Captions and pictures (B, 3, H, W), or features (B, N, D), of the mix's samples that no run trains on."""
    reading = shard_batches.Reading(training_mix(config, codec), 0)
    try:
        samples = reading.held_out()
    finally:
        reading.close()
    if not samples:
        raise ConfigError(f"data.mix: {config.data.mix}: none of the samples that are held out can be read")
    return [s.caption for s in samples], torch.stack([s.x_1 for s in samples])


def from_shards(mix: Mix, data: DataConfig, train: TrainConfig, seed: int, portion: Portion) -> TrainingData:
    """Training data from a mix of corpora; failed samples are counted and end the run above `max_damaged`."""
    tally = shard_batches.Tally(mixture.read(data.mix).max_damaged)

    def batches(start: int) -> Iterable[Any]:
        nonlocal tally  # counts from here: batches that were read before training are not part of the record
        tally = shard_batches.Tally(tally.most)
        steps = shard_batches.Steps(mix, seed=seed, batch=train.batch, start=start, stop=train.steps, portion=portion)
        return shard_batches.Loader(steps, tally, workers=data.workers)

    known = {source.corpus.name: source.corpus.fingerprint for source in mix.sources}
    about = {
        "mix": data.mix, "corpora": known, "samples": mix.samples, "held_out": sum(mix.held_out_counts),
        "fingerprint": fingerprint(known),
    }  # fmt: skip
    return TrainingData(batches, lambda: {"data": {**about, **tally.plain()}})


def _world(
    config: RunConfig, portion: Portion, codec: Codec, cache: Path, device: str, say: Callable[[str], None]
) -> TrainingData:
    source, t = Source(codec.key, config.data.pictures), config.train
    tokens = encoded(source, codec.encode, cache, device, say)

    def batches(start: int) -> Iterable[Any]:
        steps = Steps(
            tokens,
            seed=config.seed,
            batch=t.batch,
            start=start,
            stop=t.steps,
            dense=config.data.dense,
            portion=portion,
        )
        return DataLoader(steps, batch_size=None)

    about = {"data": {"fingerprint": source.key, "samples": config.data.pictures}}
    return TrainingData(batches, lambda: about, Captions(config.data.pictures, config.data.dense))


def opened(data: DataConfig, side: int) -> Mix:
    """The mix of a configuration as square pictures of `side` pixels."""
    return mixture.opened(replace(mixture.read(data.mix), size=side))


def recipes(mix: Mix, codec: Codec) -> list[Recipe]:
    """What the cached features of each corpus are computed from."""
    return [Recipe(source.corpus, codec.key, codec.side, torch.bfloat16) for source in mix.sources]


def cache(config: RunConfig, codec: Codec, folder: Path, device: str, say: Callable[[str], None]) -> None:
    """Encode every corpus of the mix once, as a run would during training; all runs of this representation share it."""

    def encode(pictures: Tensor) -> Tensor:
        with autocast(config.compute.precision, device):
            return codec.encode(pictures).float()

    for recipe in recipes(opened(config.data, codec.side), codec):
        place = cache_features(recipe, encode, folder, device=device, say=say, quiet=False)
        say(f"{recipe.corpus.name}: {place}")
