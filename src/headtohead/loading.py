"""Models by name or local folder: from safetensors only, and identified by their weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class ModelError(ValueError):
    """A model that cannot be had, with what to download, where to put it and which flag points there."""


@dataclass(frozen=True)
class Identity:
    """What makes a model's answers these and no others."""

    name: str  # as it was asked for
    weights: str  # a hash of them

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def fetched(what: str, name: str, flag: str, load: Callable[[], T]) -> T:
    """Load a model; what the libraries say when they cannot becomes one line that helps."""
    try:
        return load()
    except ModelError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if Path(name).exists():
            raise ModelError(f"{flag} {name}: cannot be loaded as {what}: {_short(error)}") from None
        raise ModelError(
            f"{what} {name}: cannot be fetched ({_short(error)}); download https://huggingface.co/{name} "
            f"into a folder, with its *.safetensors and *.json, and give {flag} FOLDER"
        ) from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def weights_hash(tensors: dict[str, Any]) -> str:
    """Of a state as it was loaded: the same for a folder, a cache and another machine."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(_bytes()).numpy().tobytes())
    return digest.hexdigest()[:16]


def _bytes() -> Any:
    import torch

    return torch.uint8
