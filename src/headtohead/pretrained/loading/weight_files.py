"""Shipped weights: safetensors of few bits, each with a card that holds its recipe and its training history.

Matrices are stored in eight bits with a scale for each row, all else in half precision, so that the package is small.
What is trained on top of a model (a decoder on a tower) is trained on it as it is stored.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headtohead.utils import files

WEIGHTS = Path(__file__).parents[1] / "weights"
SCALES = "scales of "  # begins the names of the rows' scales
LEAST = 1024  # numbers of a matrix that is stored in eight bits


def save(name: str, tensors: dict[str, Tensor], card: dict[str, Any], folder: Path = WEIGHTS) -> Path:
    """Write `<name>.safetensors` and `<name>.card.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    small = dict[str, Tensor]()
    for key, value in tensors.items():
        small |= _few_bits(key, value.detach().cpu())
    path = folder / f"{name}.safetensors"
    with files.beside(path) as part:
        save_file(small, part, metadata={"recipe": card["recipe_hash"]})
    (folder / f"{name}.card.json").write_text(json.dumps(card, indent=1) + "\n")
    return path


def _few_bits(key: str, value: Tensor) -> dict[str, Tensor]:
    """A tensor as it is stored: a matrix (its first dimension the rows) in eight bits beside its rows' scales."""
    if not value.is_floating_point():
        return {key: value.contiguous()}
    if value.dim() < 2 or value.numel() < LEAST:
        return {key: value.half().contiguous()}
    rows = value.float().flatten(1)
    scales = (rows.abs().amax(1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
    eight = (rows / scales[:, None]).round().to(torch.int8)
    return {key: eight.reshape(value.shape).contiguous(), SCALES + key: scales}


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
    stored = load_file(path)
    out = {k: v.float() if v.is_floating_point() else v for k, v in stored.items() if not k.startswith(SCALES)}
    for key in out:
        if (scales := stored.get(SCALES + key)) is not None:
            out[key] = out[key] * scales.view(-1, *[1] * (out[key].dim() - 1))
    return out


def load_into(model: nn.Module, name: str, folder: Path = WEIGHTS) -> nn.Module:
    """Load shipped weights into a model, ready for inference and frozen."""
    model.load_state_dict(tensors(name, folder))
    return model.eval().requires_grad_(False)


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
