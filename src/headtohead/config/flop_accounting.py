"""Training FLOPs of a picture, counted twice: head and language model alone, and everything. Needs no torch.

Everything is head and language model, the encoder's pass over the picture, and the training of encoder and decoder.
What is made once for a representation (its networks, features that are kept) is divided by the designs that predict it
and by the pictures that a run shows. It is not divided by seeds: those repeat a run, and a model that is used is one of
them. The training of public models is in neither count, nor is that of the language model, which all designs share.
"""

from __future__ import annotations

from headtohead.config.design import DESIGNS
from headtohead.config.run_config import WORLD, RunConfig


def sharers(representation: str) -> int:
    """The number of the package's designs that predict a representation, at least 1; plugins do not change it."""
    own = [design for name, design in DESIGNS.items() if not DESIGNS.plugin(name)]
    return max(1, sum(design.representation == representation for design in own))


def shown(config: RunConfig) -> int:
    """Pictures that a whole run shows; most of them several times."""
    return config.train.steps * config.train.batch


def beforehand(config: RunConfig) -> bool:
    """Whether pictures are encoded once before training (the embedded world, or a feature cache) or in every step."""
    return bool(config.data.features) or (config.data.mix == WORLD and config.exam.source == "world")


def everything(config: RunConfig, *, learning: float, encode: float, samples: int, made: float) -> float:
    """Training FLOPs a picture, with encoder and decoder.

    config    of the run
    learning  FLOPs a picture of head and language model, forward and backward
    encode    FLOPs of encoding one picture
    samples   distinct pictures of the data
    made      FLOPs of the whole training of encoder and decoder, without public models
    """
    shared = sharers(config.design.representation)
    encoded = samples / shared if beforehand(config) else shown(config)
    return learning + (encode * encoded + made / shared) / shown(config)
