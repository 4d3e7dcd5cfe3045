"""Search files, sweeps/search/*.yaml: which settings are searched, and what is the same for every trial and design."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from ablations.cli.yaml_files import find, load
from ablations.sweep.sweep_file import SWEEPS, Settings, Value
from ablations.tune.best_of_grid import objective
from headtohead.config.parsing import ConfigError, Rule, Zero, build
from headtohead.config.presets import applicable, configure
from headtohead.config.run_config import RunConfig

SEARCHES = SWEEPS / "search"
BUDGET = ("train.steps", "train.batch", "data.", "evaluation.", "exam.")  # the same for all trials, so not searched
NOT_KEPT = ("train.steps", "evaluation.")  # of the search alone: a sweep trains the chosen settings to the end
SPLIT = {"evaluation.split": "dev"}  # test scores of settings chosen on test prompts would be too high


def _number(written: Any) -> Any:
    """YAML reads 1e-4 as text."""
    with contextlib.suppress(ValueError):
        return float(written) if isinstance(written, str) else written
    return written


def _problem(axis: Range | Sequence[Any]) -> str:
    if not isinstance(axis, Range):
        return "" if len(set(map(str, axis))) > 1 else f"expected {AXIS}"
    low, high, step = axis.low, axis.high, axis.step
    if not 0 <= low < high < 2**31:
        return f"low={low:g} must be below high={high:g}, both from 0 to 2147483647"
    if axis.log and (step or not low):
        return "a logarithmic range has no step and does not begin at 0"
    steps = (high - low) / step if step else 0
    if step < 0 or abs(steps - round(steps)) > 1e-6 or (axis.whole and step % 1):
        return f"step={step:g} does not lead from {low:g} to {high:g}"
    return ""


Number = Annotated[int | float, Rule("a number", convert=_number)]
AXIS = "low and high, or a list of two values or more"


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from low to high, both included; whole numbers where both are written as such."""

    low: Number
    high: Number
    log: bool = False  # equal chances for equal ratios
    step: Number = 0  # 0 = any value between

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


Axis = Annotated[Range | list[Value], Rule(AXIS, _problem)]


@dataclass(frozen=True, kw_only=True)
class SearchFile:
    """The keys of a search file."""

    space: Annotated[dict[str, Axis], Rule("settings with ranges or lists of values")]
    set: Settings = field(default_factory=dict)  # the same for every trial
    scale: str = "micro"
    seed: Zero = 0  # of the sampler, and of every trial's training


@dataclass(frozen=True, kw_only=True)
class Search(SearchFile):
    """A search file with its name and where it was read (for errors)."""

    name: str
    where: str
    designs: tuple[str, ...] = ()  # that are searched; settings of heads apply as in a sweep of them

    def config(self, design: str, values: Mapping[str, Any]) -> RunConfig:
        """A trial's run.

        design  name of a declared design
        values  the trial's settings, by key of `space`
        """
        fixed = applicable(design, self.designs, self.set)
        return configure(design, self.scale, self.seed, {**fixed, **values, **SPLIT}, self.where)

    def check(self, designs: Iterable[str]) -> None:
        """Refuse what cannot be searched, at every end of the space and for every design, before anything is run."""
        for key in self.space:
            if key.startswith(BUDGET):
                raise ConfigError(f"{self.where}: space: {key} is part of the budget, which is the same for all trials")
            if key in self.set:
                raise ConfigError(f"{self.where}: {key} stands in space and in set")
        for key, split in SPLIT.items():
            if self.set.get(key, split) != split:
                raise ConfigError(f"{self.where}: {key}: a search uses {split} prompts, got {self.set[key]!r:.60}")
        for design in designs:
            for key, axis in self.space.items():
                for value in (axis.low, axis.high) if isinstance(axis, Range) else axis:
                    self.config(design, {key: value})

    def steps(self, design: str) -> int:
        return self.config(design, {}).train.steps

    def kept(self) -> dict[str, Any]:
        """Settings that a sweep of the chosen settings needs as well."""
        return {key: value for key, value in self.set.items() if not key.startswith(NOT_KEPT)}

    def described(self) -> dict[str, str]:
        return {key: _described(axis) for key, axis in self.space.items()}

    def plain(self, design: str) -> dict[str, Any]:
        """What identifies a study: trials of another search never join it."""
        return {"design": self.config(design, {}).plain(), "space": self.described(), "objective": objective()}

    def over(self, overrides: Mapping[str, Any]) -> Search:
        """The same search under other settings, such as those of a command line."""
        return replace(self, set={**self.set, **overrides})


def read(name: str, folder: Path = SEARCHES) -> Search:
    path = find(folder, name, "search")
    file = build(SearchFile, load(path, "search"), str(path), expected="space, set, scale and seed")
    return Search(**vars(file), name=name, where=str(path))


def _described(axis: Range | Sequence[Any]) -> str:
    if not isinstance(axis, Range):
        return "one of " + ", ".join(map(str, axis))
    how = ", logarithmic" if axis.log else f", in steps of {axis.step:g}" if axis.step else ""
    return f"{axis.low:g} to {axis.high:g}{how}"
