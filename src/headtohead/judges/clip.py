"""A model of open_clip, whole or not at all: the library starts from noise where it finds no weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headtohead.loading import Identity, ModelError, fetched, weights_hash
from headtohead.model_names import COLOURS


def load(name: str, what: str, flag: str, device: str) -> tuple[Any, Any, Identity]:
    """`MODEL:PRETRAINED` or `MODEL:FILE` -> the model, what it does to a picture, and its identity."""
    import open_clip

    architecture, _, weights = name.partition(":")
    if not weights:
        raise ModelError(f"{flag} {name}: expected MODEL:PRETRAINED such as {COLOURS}, or MODEL:FILE")
    if architecture not in open_clip.list_models():
        raise ModelError(f"{flag} {name}: open_clip knows no model {architecture}")
    own = Path(weights).exists()
    if not own and weights not in open_clip.list_pretrained_tags_by_model(architecture):
        raise ModelError(f"{flag} {name}: {weights} is neither a file nor a training that open_clip knows")
    hub = None if own else open_clip.get_pretrained_cfg(architecture, weights).get("hf_hub", "").strip("/")
    model, _, preprocess = fetched(
        what,
        name,
        flag,
        lambda: open_clip.create_model_and_transforms(
            architecture, pretrained=weights, device=device, require_pretrained=True
        ),
        file=weights if own else f"{architecture}:FILE",
        where=hub,
    )
    return model, preprocess, Identity(architecture if own else name, weights_hash(model.state_dict()))
