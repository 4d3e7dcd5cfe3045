"""A model of open_clip as a judge."""

from __future__ import annotations

from typing import Any

from headtohead import open_models
from headtohead.loading import Identity, weights_hash


def load(name: str, what: str, flag: str, device: str) -> tuple[Any, Any, Identity]:
    """The model, what it does to a picture, and its identity."""
    import open_clip

    made = open_models.load(name, what, flag, open_clip.create_model_and_transforms, device=device)
    model, _, preprocess = made
    return model, preprocess, Identity(open_models.source(name, flag).named, weights_hash(model.state_dict()))
