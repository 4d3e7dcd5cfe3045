"""Evaluate a generator by benchmarks whose prompts and judges the user names (`exam.*`).

Images are written in the published layouts and scored by the functions behind `python -m headtohead.eval`, so that
anyone can reproduce the numbers from the files. An interrupted point paints only the missing images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import RunConfig
from headtohead.eval.benchmarks.base import Benchmark, Item, Listed, PictureFile, from_files
from headtohead.eval.curve_points.base import TRIED, Measured
from headtohead.eval.curve_points.held_out_loss import held_out, losses
from headtohead.eval.curve_points.score import Point
from headtohead.eval.folders import images
from headtohead.eval.folders.images import Troubles
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.resume import How
from headtohead.models.build import Parts
from headtohead.models.generator import Generator
from headtohead.models.sampling import paint
from headtohead.utils import distributed, files
from headtohead.utils.compute import autocast

SHOWN = 12  # prompts in the sample grid
Files = list[tuple[Item, list[PictureFile]]]  # prompts with the files of their images


class Official:
    """Measures points by the benchmarks whose files the configuration names."""

    def __init__(self, config: RunConfig, parts: Parts, device: str, folder: Path) -> None:
        """
        config  of the run
        parts   of the run
        device  cpu or cuda
        folder  in which each point has a folder of images
        """
        self.config, self.codec, self.device, self.folder = config, parts.codec, device, folder
        self.mode: str = config.exam.source
        items = {benchmark: benchmark.items(config.exam) for benchmark in from_files(config.exam)}
        self.items: dict[Benchmark, list[Item]] = {b: own for b, own in items.items() if own}
        if not self.items:
            keys = " or ".join(f"exam.{b.setting}" for b in items if b.setting)
            raise ConfigError(f"exam.source={config.exam.source}: needs {keys}, where the prompts lie")
        first = distributed.first()
        self.judges = {b: b.judges(config.exam, device) if first else {} for b in self.items}
        self.held_out = held_out(config, parts, device)

    @property
    def name(self) -> str:
        roles = {role: judge.identity for own in self.judges.values() for role, judge in own.items()}
        return ", ".join(f"{role} {identity.name}@{identity.weights}" for role, identity in roles.items())

    @property
    def about(self) -> dict[str, Any]:
        """The prompts of the sample grid, the same at every point."""
        return {"shown": {"prompts": [file.prompt for file in self._shown()]}}

    def wanted(self, last: bool) -> dict[Benchmark, Files]:
        """Files of a point by benchmark: as many evenly spaced prompts as the settings say."""
        out = {}
        for benchmark, items in self.items.items():
            rows = _spread(len(items), benchmark.limit(self.config.evaluation, last))
            out[benchmark] = [(items[k], benchmark.files(k, items[k], self.config.exam)) for k in rows]
        return out

    def trial(self, generator: Generator) -> None:
        """Paint TRIED images without judging them."""
        prompts = [file.prompt for file in _files(self.wanted(last=True))]
        with autocast(self.config.compute.precision, self.device):
            paint(
                generator, self.codec, (prompts * TRIED)[:TRIED], self.config.sampling,
                seed=0, batch=self.config.evaluation.batch,
            )  # fmt: skip

    def measure(self, generator: Generator, last: bool, step: int) -> Measured | None:
        place, wanted = self.folder / f"{step:07d}", self.wanted(last)
        missing = [file for file in _files(wanted) if not (place / file.place).exists()]
        self._paint(generator, place, distributed.broadcast(missing))
        loss = losses(self.config, generator, self.held_out, self.device)
        if not distributed.first():
            return None
        values, n, rows = dict[str, float](), dict[str, int](), list[dict[str, Any]]()
        for benchmark, result in self._scored(place, wanted):
            result.write(place / f"{result.metric}.json")
            rows += result.prompts
            for name, value in result.scores.items():
                key = benchmark.key(result.metric, name)
                values[key], n[key] = value, result.n.get(name, next(iter(result.n.values())))
        scores = tuple(round(float(row["score"]), 4) for row in rows)
        prompts = [{"prompt": row["prompt"], "task": row.get("task", "dpg"), "seen": True} for row in rows]
        values, n = {**values, **loss}, {**n, **self.held_out.n}
        return Measured(Point(values, n, scores), prompts, self._grids(place))

    def _paint(self, generator: Generator, place: Path, missing: Sequence[PictureFile]) -> None:
        """Paint in parts that fit into memory, each written before the next one."""
        e = self.config.evaluation
        at_once = max(1, e.batch * distributed.world()[1])
        rows = [(file, k) for file in missing for k in range(file.pictures)]
        pending: dict[str, list[Tensor]] = {}
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            with autocast(self.config.compute.precision, self.device):
                pictures = paint(
                    generator, self.codec, [file.prompt for file, _ in part], self.config.sampling,
                    seed=1_000 * self.config.seed, batch=e.batch, numbers=[file.number + k for file, k in part],
                )  # fmt: skip
            for (file, _), picture in zip(part, pictures[:, 0] if distributed.first() else (), strict=False):
                own = pending.setdefault(file.place, [])
                own.append(picture.cpu())
                if len(own) == file.pictures:
                    _save(place / file.place, pending.pop(file.place))

    def _scored(self, place: Path, wanted: dict[Benchmark, Files]) -> Iterator[tuple[Benchmark, Result]]:
        how = How(self.config.evaluation.batch, None, quiet=True, device=self.device)
        cache = self.folder.parent.parent / "references"
        for benchmark, prompts in wanted.items():
            items = [replace(item, files=tuple(place / file.place for file in own)) for item, own in prompts]
            listed = Listed(place / benchmark.name, items, Troubles())
            for result in benchmark.score_files(listed, self.judges[benchmark], self.config.exam, how, cache):
                yield benchmark, result

    def _shown(self) -> list[PictureFile]:
        """The first file of evenly spaced prompts, of the benchmark with the fewest images in a file."""
        wanted = self.wanted(last=False)
        fewest = min(wanted, key=lambda b: max((file.pictures for _, own in wanted[b] for file in own), default=1))
        firsts = list({file.prompt: file for file in _files({fewest: wanted[fewest]})}.values())
        return [firsts[k] for k in _spread(len(firsts), SHOWN)]

    def _grids(self, place: Path) -> dict[str, Tensor]:
        """Read from the files, so that a resumed point shows the images that were scored."""
        shown = [images.picture(place / file.place) for file in self._shown() if (place / file.place).exists()]
        return {"prompts": make_grid(shown, nrow=max(1, len(shown) // 2), padding=0)}


def _files(wanted: dict[Benchmark, Files]) -> list[PictureFile]:
    return [file for prompts in wanted.values() for _, own in prompts for file in own]


def _save(path: Path, pictures: list[Tensor]) -> None:
    """Write one image, or four as a 2 x 2 grid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = make_grid(pictures, nrow=2, padding=0) if len(pictures) > 1 else pictures[0]
    with files.beside(path) as part:
        to_pil_image(grid.clamp(0, 1)).save(part, Image.registered_extensions()[path.suffix], quality=95)


def _spread(there: int, wanted: int) -> list[int]:
    """Evenly spaced indices.

    there   number of indices to choose from
    wanted  number to choose; 0 for all
    """
    if not wanted or wanted >= there:
        return list(range(there))
    return [int(k) for k in np.linspace(0, there - 1, wanted)]
