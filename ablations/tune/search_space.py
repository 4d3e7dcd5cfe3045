"""sweeps/search/*.yaml: what a search of settings may choose, one space and one budget for every design. Strict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablations.cli.yaml_files import find, load
from ablations.sweep.sweep_file import SWEEPS
from ablations.tune.best_of_grid import OBJECTIVE
from headtohead.config.parsing import ConfigError, build, known
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig

SEARCHES = SWEEPS / "search"
KEYS = {"space": 0, "set": 0, "scale": 0, "seed": 0}
BUDGET = ("train.steps", "train.batch", "data.", "evaluation.", "exam.")  # equal for all, or nothing compares
NOT_KEPT = ("train.steps", "evaluation.")  # of the search alone: what it chose is trained to the end
SPLIT = {"evaluation.split": "dev"}  # settings that were chosen on test prompts would flatter every test score


@dataclass(frozen=True, kw_only=True)
class Range:
    low: float
    high: float
    log: bool = False
    step: float = 0.0  # 0 = any value between
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} must be below high={self.high:g}")
        if self.log and (self.step or not self.low):
            raise ValueError("a logarithmic range has no step and does not begin at 0")
        steps = (self.high - self.low) / self.step if self.step else 0
        if abs(steps - round(steps)) > 1e-6 or (self.whole and self.step % 1):
            raise ValueError(f"step={self.step:g} does not lead from {self.low:g} to {self.high:g}")

    @property
    def ends(self) -> tuple[Any, ...]:
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    def __str__(self) -> str:
        how = ", logarithmic" if self.log else f", in steps of {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{how}"


@dataclass(frozen=True)
class Choice:
    ends: tuple[Any, ...]

    def __str__(self) -> str:
        return "one of " + ", ".join(map(str, self.ends))


@dataclass(frozen=True)
class Search:
    name: str
    space: dict[str, Range | Choice]
    overrides: dict[str, Any]
    scale: str
    seed: int  # of the sampler, and of every trial's training
    where: str

    def config(self, design: str, values: Mapping[str, Any]) -> RunConfig:
        return configure(design, self.scale, self.seed, {**self.overrides, **values, **SPLIT}, self.where)

    def check(self, designs: Iterable[str]) -> None:
        """Every end of the space, for every design, before anything is spent."""
        for design in designs:
            for key, axis in self.space.items():
                for value in axis.ends:
                    self.config(design, {key: value})

    def steps(self, design: str) -> int:
        return self.config(design, {}).train.steps

    def kept(self) -> dict[str, Any]:
        """Settings under which the search's choice holds."""
        return {key: value for key, value in self.overrides.items() if not key.startswith(NOT_KEPT)}

    def told(self) -> dict[str, str]:
        return {key: str(axis) for key, axis in self.space.items()}

    def plain(self, design: str) -> dict[str, Any]:
        """What one study searched: trials of another search never join it."""
        return {"design": self.config(design, {}).plain(), "space": self.told(), "objective": OBJECTIVE}

    def over(self, overrides: Mapping[str, Any]) -> Search:
        return replace(self, overrides={**self.overrides, **_no_split(overrides, self.where)})


def read(name: str, folder: Path = SEARCHES) -> Search:
    path = find(folder, name, "search")
    return parse(name, load(path, "search"), str(path))


def parse(name: str, given: Any, where: str) -> Search:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: expected space, set, scale and seed, got {given!r:.60}")
    for key in given:
        known(str(key), KEYS, "key", where)
    space, overrides, scale, seed = (
        given.get(k, d) for k, d in (("space", {}), ("set", {}), ("scale", ""), ("seed", 0))
    )
    if not isinstance(space, Mapping) or not space or not all(isinstance(k, str) for k in space):
        raise ConfigError(f"{where}: space: expected settings with ranges or lists of values, got {space!r:.60}")
    if not isinstance(overrides, Mapping) or not all(isinstance(k, str) for k in overrides):
        raise ConfigError(f"{where}: set: expected settings such as head.dim: 256, got {overrides!r:.60}")
    if not isinstance(scale, str) or isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise ConfigError(f"{where}: expected scale as text and seed as a whole number from 0 on")
    for key in space:
        if key.startswith(BUDGET):
            raise ConfigError(f"{where}: space: {key} is part of the budget, which is the same for all trials")
        if key in overrides:
            raise ConfigError(f"{where}: {key} stands in space and in set")
    axes = {key: _axis(axis, f"{where}: space", key) for key, axis in space.items()}
    return Search(name, axes, _no_split(overrides, where), scale or "micro", seed, where)


def _no_split(overrides: Mapping[str, Any], where: str) -> dict[str, Any]:
    for key, value in SPLIT.items():
        if overrides.get(key, value) != value:
            raise ConfigError(f"{where}: {key}: a search asks {value} prompts, got {overrides[key]!r:.60}")
    return dict(overrides)


def _axis(given: Any, where: str, key: str) -> Range | Choice:
    if isinstance(given, Mapping):
        whole = all(type(given.get(end)) is int for end in ("low", "high"))
        if "whole" in given:
            known("whole", {"low": 0, "high": 0, "log": 0, "step": 0}, "key", where, f"{key}.")
        try:
            return build(Range, {**given, "whole": whole}, where, key)
        except OverflowError:
            raise ConfigError(f"{where}: {key}: a number is too large") from None
    values = given if isinstance(given, Sequence) and not isinstance(given, str) else ()
    if not all(isinstance(v, (int, float, str)) for v in values) or len(set(map(str, values))) < 2:
        raise ConfigError(f"{where}: {key}: expected low and high, or a list of two values or more, got {given!r:.60}")
    return Choice(tuple(values))
