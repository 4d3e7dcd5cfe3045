"""Load models by name or local folder, from safetensors only, and identify them by their weights."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from headtohead.utils.errors import InputError

T = TypeVar("T")


class ModelError(InputError):
    """A model that cannot be loaded; the message says what to download and which setting names it."""


@dataclass(frozen=True)
class Identity:
    """Identifies a model."""

    name: str  # as the user gave it
    weights: str  # a hash of them

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def fetched(
    what: str, name: str, flag: str, load: Callable[[], T], *, file: str | None = None, where: str | None = None
) -> T:
    """Load a model; the libraries' errors become one line that says what to do.

    what   the model's part, for errors
    name   as the user gave it
    flag   the setting that names it
    load   returns it
    file   its weights, where that is not `name`
    where  its name on the hub, where that is not `name`
    """
    try:
        with calm():
            return load()
    except ModelError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if Path(file or name).exists():
            raise ModelError(f"{flag} {name}: cannot be loaded as {what}: {_short(error)}") from None
        raise ModelError(
            f"{what} {name}: cannot be fetched ({_short(error)}); download https://huggingface.co/{where or name} "
            + (
                f"and give {flag} {file}"
                if file
                else f"into a folder, with its *.safetensors and *.json, and give {flag} FOLDER"
            )
        ) from None


def complete(model: Any, info: dict[str, Any]) -> Any:
    """A transformers model; raises if its checkpoint lacks parameters, which the library would fill with noise.

    info  from `from_pretrained(..., output_loading_info=True)`
    """
    own = {name for name, _ in model.named_parameters()}
    missing = sorted(own & set(info["missing_keys"])) + sorted(str(key) for key in info["mismatched_keys"])
    if missing:
        count = "tensor is" if len(missing) == 1 else "tensors are"
        raise ValueError(f"{len(missing)} {count} missing or of another shape (first {missing[0]})")
    return model


@contextmanager
def calm() -> Iterator[None]:
    """Silence warnings and log lines of the libraries, so that an error is one line."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def without_bars() -> None:
    """Turn off the progress bars of transformers and the hub."""
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bars()
    disable_progress_bar()


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def weights_hash(tensors: dict[str, Any]) -> str:
    """Hash of a state dict: the same for a folder, a cache and another machine."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(_bytes()).numpy().tobytes())
    return digest.hexdigest()[:16]


def _bytes() -> Any:
    import torch

    return torch.uint8
