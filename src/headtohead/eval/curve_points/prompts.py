"""The prompts of a point on the embedded dataset, with true images of them; the same for every design."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.config.run_config import EvalConfig
from headtohead.eval.benchmarks.base import BENCHMARKS, Item, spread
from headtohead.synthetic.prompts import short_prompts
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.utils.files import fingerprint

SEED = 7_000_000  # of the test scenes; training uses far smaller ones


@dataclass(frozen=True)
class PromptSet:
    """Prompts by benchmark, with true images of them.

    parts   items by the name of their benchmark, one for each image
    seed    of the renders
    device  of the renders
    among   how often an item, by benchmark and id, is compared with true images as part of a set; None: always
    """

    parts: dict[str, list[Item]]
    seed: int
    device: str
    among: Counter[tuple[str, str]] | None = None

    @cached_property
    def items(self) -> list[Item]:
        return [item for items in self.parts.values() for item in items]

    @property
    def texts(self) -> list[str]:
        return [item.prompt for item in self.items]

    @cached_property
    def scenes(self) -> Scenes:
        """Of the items that have one, in their order."""
        requests = [item.request for item in self.items if item.request is not None]
        return Scenes.cat([draw(self.seed, np.array([k]), request=r, held_out=True) for k, r in enumerate(requests)])

    @cached_property
    def pictures(self) -> Tensor:
        """(n, 3, H, W) renders of the scenes in [0, 1]."""
        parts = range(0, len(self.scenes), 512)
        return torch.cat([render(self.scenes[k : k + 512], self.device) for k in parts])

    @property
    def rendered(self) -> NDArray[np.bool_]:
        """Which items have a scene, and therefore a true image."""
        return np.array([item.request is not None for item in self.items])

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Which items are compared with true images as a set."""
        if self.among is None:
            return self.rendered
        left, out = self.among.copy(), list[bool]()
        for name, items in self.parts.items():
            for item in items:
                out.append(left[name, item.id] > 0)
                left[name, item.id] -= 1
        return np.array(out) & self.rendered

    @property
    def rows(self) -> list[dict[str, Any]]:
        """For each image: prompt, task, and whether training shows the combination."""
        return [{"prompt": item.prompt, "task": item.task, "seen": item.seen} for item in self.items]

    @property
    def id(self) -> str:
        return fingerprint(self.rows)


def prompt_set(
    split: short_prompts.Split = "test",
    seed: int = SEED,
    *,
    pictures: Mapping[str, int] | None = None,
    among: Mapping[str, int] | None = None,
    device: str = "cpu",
) -> PromptSet:
    """Prompts of a split with independent renders of them.

    split     dev or test
    seed      of the renders
    pictures  how many by the name of a benchmark, 0 for all its prompts; all of every benchmark when not given
    among     likewise, those that are compared with true images as a set; all that there are when not given
    device    of the renders
    """

    def items(numbers: Mapping[str, int]) -> dict[str, list[Item]]:
        return {name: BENCHMARKS.find(name).synthetic(split, number) for name, number in numbers.items()}

    parts = items(dict.fromkeys(BENCHMARKS, 0) if pictures is None else pictures)
    kept = None if among is None else Counter((name, item.id) for name, own in items(among).items() for item in own)
    return PromptSet({name: own for name, own in parts.items() if own}, seed, device, kept)


def wanted(e: EvalConfig, last: bool) -> dict[str, int]:
    """The number of images of a point by benchmark; 0 for one of each prompt.

    e     evaluation settings
    last  whether it is the last point
    """
    return {name: benchmark.limit(e, last) for name, benchmark in BENCHMARKS.items()}


def shown(split: short_prompts.Split, a_task: int) -> list[str]:
    """Prompts for a sample grid, from the first benchmark.

    split   of the prompts
    a_task  prompts of each task
    """
    items = next(iter(BENCHMARKS.values())).synthetic(split)
    tasks = {item.task: list(dict.fromkeys(i.prompt for i in items if i.task == item.task)) for item in items}
    return [text for texts in tasks.values() for text in spread(texts, a_task + 2)[1:-1]]
