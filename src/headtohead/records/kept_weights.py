"""Averaged weights of evaluated steps, saved so that they can be scored again without training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headtohead.records.json_files import read_json, write
from headtohead.records.layout import KEPT
from headtohead.records.recorder import Spent
from headtohead.utils import files


def keep(weights: Mapping[str, Tensor], run: Path, at: Spent) -> None:
    """Save averaged weights.

    weights  by parameter name
    run      the run's folder
    at       what the training had spent
    """
    path = run / KEPT / f"{at.step:07d}.safetensors"
    path.parent.mkdir(exist_ok=True)
    with files.beside(path) as part:
        save_file({name: w.contiguous() for name, w in weights.items()}, part)
    write(path.with_suffix(".json"), vars(at))


def spent(run: Path, step: int) -> Spent:
    """What a run had spent when it saved the averaged weights of a step."""
    return Spent(**read_json(run / KEPT / f"{step:07d}.json"))


def kept(run: Path) -> dict[int, Path]:
    """Files of saved weights by step, in order."""
    return {int(path.stem): path for path in sorted((run / KEPT).glob("*.safetensors"))}


def restore(module: nn.Module, path: Path) -> None:
    """Load kept weights into a module of the same configuration.

    module  whose trainable parameters are exactly those in the file
    path    a file of `kept`
    """
    weights = load_file(path)
    if set(weights) != {name for name, p in module.named_parameters() if p.requires_grad}:
        raise ValueError(f"{path}: the weights are not of this configuration")
    module.load_state_dict(weights, strict=False)
