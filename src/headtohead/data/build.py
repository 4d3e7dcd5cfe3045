"""What a run trains on, as its configuration says: the embedded world, or corpora in tar shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from headtohead.data.synthetic_batches import Source, Steps, encoded
from headtohead.pretrained.image_tokens import Codec
from headtohead.utils.compute import autocast
from headtohead.utils.files import fingerprint


@dataclass(frozen=True)
class TrainingData:
    """Batches from any step on, and what a record says of where they come from."""

    batches: Callable[[int], Iterable[Any]]
    about: Callable[[], dict[str, Any]]

    @property
    def fingerprint(self) -> str:
        """Another one is other data: a run does not go on with it."""
        return str(self.about()["data"]["fingerprint"])


def build(
    config: RunConfig, portion: Portion, codec: Codec, cache: Path, device: str, say: Callable[[str], None]
) -> TrainingData:
    if config.data.mix == WORLD:
        return _world(config, portion, codec, cache, device, say)
    return from_shards(shown(config, codec), config.data, config.train, config.seed, portion)


def shown(config: RunConfig, codec: Codec) -> Mix:
    """The mix as a run reads it, pictures or features, without what is held out."""
    mix = opened(config.data, codec.side)
    if config.data.features:
        mix = read.as_features(mix, recipes(mix, codec), config.data.features)
    return mix.holding_out(config.evaluation.held_out)


def held_out(config: RunConfig, codec: Codec) -> tuple[list[str], Tensor]:
    """Captions and what they tell of, of the mix's samples that no run trains on: pictures, or features of them."""
    reading = shard_batches.Reading(shown(config, codec), 0)
    try:
        samples = reading.held_out()
    finally:
        reading.close()
    if not samples:
        raise ConfigError(f"data.mix: {config.data.mix}: none of the samples that are held out can be read")
    return [s.caption for s in samples], torch.stack([s.x_1 for s in samples])


def from_shards(mix: Mix, data: DataConfig, train: TrainConfig, seed: int, portion: Portion) -> TrainingData:
    tally = shard_batches.Tally(mixture.read(data.mix).max_damaged)

    def batches(start: int) -> Iterable[Any]:
        nonlocal tally  # of what is read from now on: whoever looks at a batch beforehand does not count
        tally = shard_batches.Tally(tally.most)
        steps = shard_batches.Steps(mix, seed=seed, batch=train.batch, start=start, stop=train.steps, portion=portion)
        return shard_batches.Loader(steps, tally, workers=data.workers)

    known = {source.corpus.name: source.corpus.fingerprint for source in mix.sources}
    about = {
        "mix": data.mix, "corpora": known, "samples": mix.samples, "held_out": sum(mix.apart),
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

    return TrainingData(batches, lambda: {"data": {"fingerprint": source.key, "samples": config.data.pictures}})


def opened(data: DataConfig, side: int) -> Mix:
    """The declared mix as pictures of the size that is wanted."""
    return mixture.opened(replace(mixture.read(data.mix), size=side))


def recipes(mix: Mix, codec: Codec) -> list[Recipe]:
    return [Recipe(source.corpus, codec.key, codec.side, torch.bfloat16) for source in mix.sources]


def cache(config: RunConfig, codec: Codec, folder: Path, device: str, say: Callable[[str], None]) -> None:
    """Encode every corpus of the mix once, for all runs that predict this representation, as they would on the way."""

    def encode(pictures: Tensor) -> Tensor:
        with autocast(config.compute.precision, device):
            return codec.encode(pictures).float()

    for recipe in recipes(opened(config.data, codec.side), codec):
        place = cache_features(recipe, encode, folder, device=device, say=say, quiet=False)
        say(f"{recipe.corpus.name}: {place}")
