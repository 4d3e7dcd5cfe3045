"""open_clip models: `MODEL:PRETRAINED`, `MODEL:FILE`, or a folder in the hub's layout.

Only from safetensors, and only with weights: by itself the library would load a pickle, or start from random weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from headtohead.pretrained.loading.by_name import ModelError, fetched

T = TypeVar("T")
CONFIG = "open_clip_config.json"


@dataclass(frozen=True)
class Source:
    """A model and its weights, in open_clip's terms.

    file  of the weights; None when they have to be fetched
    hub   their repository, where there is one
    """

    model: str
    pretrained: str | None
    file: Path | None
    hub: str = ""

    @property
    def named(self) -> str:
        """A name that is the same on every machine: for local files the architecture alone."""
        return f"{self.model}:{self.pretrained}" if self.file is None else self.model.split(":")[-1].split("/")[-1]


def architecture(name: str, flag: str) -> str:
    """open_clip's name of a model's architecture; `flag` is the setting that errors name."""
    import open_clip

    if Path(name).is_dir():
        if not (Path(name) / CONFIG).is_file():
            raise ModelError(f"{flag} {name}: holds no {CONFIG}")
        return f"local-dir:{name}"
    model = name.partition(":")[0]
    if model not in open_clip.list_models():
        raise ModelError(f"{flag} {name}: open_clip knows no model {model}, and there is no such folder")
    return model


def source(name: str, flag: str) -> Source:
    """Find a model's weights; `flag` is the setting that errors name."""
    import open_clip

    model, weights = architecture(name, flag), name.partition(":")[2]
    if Path(name).is_dir():
        return _folder(Path(name), model, flag)
    if Path(weights).is_file():
        return Source(model, weights, Path(weights))
    tags = open_clip.list_pretrained_tags_by_model(model)
    if weights not in tags:
        reason = (
            f"{weights} is neither a file nor one of"
            if weights
            else "expected MODEL:PRETRAINED, MODEL:FILE or a folder;"
        )
        raise ModelError(f"{flag} {name}: {reason} {', '.join(tags)}")
    hub = (open_clip.get_pretrained_cfg(model, weights) or {}).get("hf_hub") or ""
    return Source(model, weights, None, hub.strip("/"))


def _folder(folder: Path, model: str, flag: str) -> Source:
    found = sorted(folder.glob("*.safetensors"), key=lambda path: (not path.name.startswith("open_clip"), path.name))
    if not found:
        raise ModelError(f"{flag} {folder}: holds no *.safetensors")
    return Source(model, None, found[0])


def load(name: str, what: str, flag: str, make: Callable[..., T], **options: Any) -> T:
    """Create a model with its weights.

    what     the model's part, for errors
    flag     the setting that names it
    make     open_clip's function that creates it
    options  passed on to `make`
    """
    own = source(name, flag)

    def created() -> T:
        path = own.file or Path(_download(own))
        if path.suffix != ".safetensors":
            raise ModelError(f"{flag} {name}: {path.name} is a pickle; weights load from safetensors only")
        return make(own.model, pretrained=own.pretrained, require_pretrained=True, **options)

    file = str(own.file) if own.file else None
    return fetched(what, name, flag, created, file=file, where=own.hub or None)


def _download(own: Source) -> str:
    import open_clip

    path: str = open_clip.download_pretrained(open_clip.get_pretrained_cfg(own.model, own.pretrained))
    return path
