"""Shipped weights: half-precision safetensors, each with a card that holds its recipe and its training history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headtohead.utils import files

WEIGHTS = Path(__file__).parents[1] / "weights"


def save(name: str, tensors: dict[str, Tensor], card: dict[str, Any], folder: Path = WEIGHTS) -> Path:
    """Write `<name>.safetensors` (floating-point tensors in fp16) and `<name>.card.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {k: (v.half() if v.is_floating_point() else v).contiguous().cpu() for k, v in tensors.items()}
    path = folder / f"{name}.safetensors"
    with files.beside(path) as part:
        save_file(half, part, metadata={"recipe": card["recipe_hash"]})
    (folder / f"{name}.card.json").write_text(json.dumps(card, indent=1) + "\n")
    return path


def card(name: str, folder: Path = WEIGHTS) -> dict[str, Any]:
    out: dict[str, Any] = json.loads((folder / f"{name}.card.json").read_text())
    return out


def exists(name: str, folder: Path = WEIGHTS) -> bool:
    return (folder / f"{name}.card.json").exists()


def recipe_of(name: str, folder: Path = WEIGHTS) -> str:
    """Hash of the recipe that made the weights, from the metadata of the weights file."""
    with safe_open(folder / f"{name}.safetensors", "pt") as f:
        metadata: dict[str, str] = f.metadata()
    return metadata["recipe"]


def tensors(name: str, folder: Path = WEIGHTS) -> dict[str, Tensor]:
    path = folder / f"{name}.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"no weights {path}: `make foundations` makes them")
    return {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}


def load_into(model: nn.Module, name: str, folder: Path = WEIGHTS) -> nn.Module:
    """Load shipped weights into a model, ready for inference and frozen."""
    model.load_state_dict(tensors(name, folder))
    return model.eval().requires_grad_(False)


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
