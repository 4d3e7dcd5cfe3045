"""Models of open_clip: `MODEL:PRETRAINED` as it names them, `MODEL:FILE`, or a folder as the hub gives it.

Whole or not at all, and from safetensors only: the library starts from noise where it finds no weights, and takes a
pickle where it finds nothing else.
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
    """What open_clip is asked for."""

    model: str
    pretrained: str | None
    file: Path | None  # None when it is to be fetched
    hub: str = ""

    @property
    def named(self) -> str:
        """The same on every machine: of what lies in a file, the architecture's name alone."""
        return f"{self.model}:{self.pretrained}" if self.file is None else self.model.split(":")[-1].split("/")[-1]


def architecture(name: str, flag: str) -> str:
    """What open_clip calls it, weights or not."""
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
    import open_clip

    model, weights = architecture(name, flag), name.partition(":")[2]
    if Path(name).is_dir():
        return _folder(Path(name), model, flag)
    if Path(weights).is_file():
        return Source(model, weights, Path(weights))
    tags = open_clip.list_pretrained_tags_by_model(model)
    if weights not in tags:
        told = (
            f"{weights} is neither a file nor one of"
            if weights
            else "expected MODEL:PRETRAINED, MODEL:FILE or a folder;"
        )
        raise ModelError(f"{flag} {name}: {told} {', '.join(tags)}")
    hub = (open_clip.get_pretrained_cfg(model, weights) or {}).get("hf_hub") or ""
    return Source(model, weights, None, hub.strip("/"))


def _folder(folder: Path, model: str, flag: str) -> Source:
    found = sorted(folder.glob("*.safetensors"), key=lambda path: (not path.name.startswith("open_clip"), path.name))
    if not found:
        raise ModelError(f"{flag} {folder}: holds no *.safetensors")
    return Source(model, None, found[0])


def load(name: str, what: str, flag: str, make: Callable[..., T], **options: Any) -> T:
    """`make` is one of open_clip's functions that create a model."""
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
