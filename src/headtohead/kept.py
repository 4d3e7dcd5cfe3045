"""The averaged weights of a run's points, kept so that they can be scored again without training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from headtohead import files
from headtohead.module import Generator
from headtohead.records import KEPT, Spent, read_json, write


def keep(weights: Mapping[str, Tensor], run: Path, at: Spent) -> None:
    path = run / KEPT / f"{at.step:07d}.safetensors"
    path.parent.mkdir(exist_ok=True)
    with files.beside(path) as part:
        save_file({name: w.contiguous() for name, w in weights.items()}, part)
    write(path.with_suffix(".json"), vars(at))


def spent(run: Path, step: int) -> Spent:
    """What a run had spent when it kept the weights of this step."""
    return Spent(**read_json(run / KEPT / f"{step:07d}.json"))


def kept(run: Path) -> dict[int, Path]:
    """By step, the last one last."""
    return {int(path.stem): path for path in sorted((run / KEPT).glob("*.safetensors"))}


def restore(generator: Generator, path: Path) -> None:
    """Put kept weights into a generator of the same configuration."""
    weights = load_file(path)
    if set(weights) != set(generator.trained()):
        raise ValueError(f"{path}: the weights are not of this configuration")
    generator.load_state_dict(weights, strict=False)
