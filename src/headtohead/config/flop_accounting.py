"""Training FLOPs of a picture, on two accounts: head and language model alone, and everything. Needs no torch.

Everything is head and language model, the encoder's look at the picture, and the decoder's own training. What is made
once and serves every run of a representation, a decoder or features that are kept, is shared evenly by the designs
that predict it and spread over the pictures that a run shows. It is not shared by seeds: those repeat a run, and a
model that is used is one of them. What public models took before they came here is on neither account.
"""

from __future__ import annotations

from headtohead.config.design import DESIGNS, Representation
from headtohead.config.run_config import WORLD, RunConfig


def sharers(representation: Representation) -> int:
    """Designs of the study that predict it; a control that none of them predicts bears its own."""
    return max(1, sum(design.representation is representation for design in DESIGNS.values()))


def shown(config: RunConfig) -> int:
    """Pictures, over a whole run; many of them several times."""
    return config.train.steps * config.train.batch


def beforehand(config: RunConfig) -> bool:
    """Whether pictures are encoded once and kept, not on the way: the embedded world's are, and those of a cache."""
    return bool(config.data.features) or (config.data.mix == WORLD and config.exam.source == "world")


def everything(config: RunConfig, *, learning: float, encode: float, samples: int, decoder: float) -> float:
    """FLOPs a picture from those of head and language model, of encoding one, and of the decoder's whole training;
    `samples` are the distinct pictures of the data."""
    shared = sharers(config.design.representation)
    encoded = samples / shared if beforehand(config) else shown(config)
    return learning + (encode * encoded + decoder / shared) / shown(config)
