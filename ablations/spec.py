"""sweeps/*.yaml to the runs of a sweep: which designs, seeds, scale and overrides. Strict: a typo is one clear line."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from headtohead import records
from headtohead.config import RunConfig
from headtohead.design import DESIGNS
from headtohead.presets import configure
from headtohead.strict import ConfigError, known

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
SWEEP = "sweep.json"  # beside a sweep's runs: how it was asked for
MOST_BYTES = 64_000
KEYS = {"designs": 0, "seeds": 0, "scale": 0, "set": 0, "grid": 0}
MOST_RUNS = 1000


@dataclass(frozen=True)
class Sweep:
    name: str
    designs: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    scale: str = "micro"
    overrides: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # settings of which every combination is run
    where: str = ""  # the file it was read from

    def runs(self) -> dict[str, RunConfig]:
        """Every run by its folder's name, checked before any of them begins."""
        out = {}
        for design, values, seed in itertools.product(self.designs, itertools.product(*self.grid.values()), self.seeds):
            point = dict(zip(self.grid, values, strict=True))
            variant = "".join(f"+{key}={value}" for key, value in point.items())
            config = configure(design, self.scale, seed, {**self.overrides, **point}, self.where)
            out[f"{design}{variant}-s{seed}"] = config
        return out


class _Strict(yaml.SafeLoader):
    """No key twice, no aliases: the first is a mistake that YAML hides, the second can grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"line {self.peek_event().start_mark.line + 1}: aliases are not used here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: key {str(key)[:60]!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read(path: Path) -> Sweep:
    """A sweep from its file; its name is the file's."""
    where = str(path)
    try:
        text = path.read_text()
    except FileNotFoundError:
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"{where}: no such sweep; there are: {there}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: is no text") from None
    if len(text) > MOST_BYTES:
        raise ConfigError(f"{where}: {len(text):,} characters are too many for a sweep file")
    try:
        given = yaml.load(text, _Strict)  # a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())[:200]}") from None
    return parse(path.stem, given, where)


def parse(name: str, given: Any, where: str) -> Sweep:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: expected designs, seeds, scale, set and grid, got {given!r:.60}")
    for key in given:
        known(str(key), KEYS, "key", where)
    if not NAME.fullmatch(name):
        raise ConfigError(f"{where}: {name[:80]!r} cannot be a sweep's name (letters, digits, _ . -)")
    designs = _tuple(given.get("designs"), str, f"{where}: designs")
    overrides = given.get("set", {})
    if not isinstance(overrides, Mapping) or not all(isinstance(k, str) for k in overrides):
        raise ConfigError(f"{where}: set: expected settings such as head.dim: 256, got {overrides!r:.60}")
    scale = given.get("scale", "micro")
    if not isinstance(scale, str):
        raise ConfigError(f"{where}: scale: expected text, got {scale!r:.60}")
    return Sweep(
        name,
        tuple(DESIGNS) if designs == ("all",) else designs,
        _tuple(given.get("seeds", [0]), int, f"{where}: seeds"),
        scale,
        dict(overrides),
        _grid(given.get("grid", {}), overrides, where),
        where,
    )


def _grid(given: Any, overrides: Mapping[str, Any], where: str) -> dict[str, tuple[Any, ...]]:
    if not isinstance(given, Mapping) or not all(isinstance(k, str) for k in given):
        raise ConfigError(f"{where}: grid: expected settings with lists of values, got {given!r:.60}")
    out: dict[str, tuple[Any, ...]] = {}
    for key, values in given.items():
        if key in overrides:
            raise ConfigError(f"{where}: {key} stands in set and in grid")
        if not isinstance(values, list) or not values or not all(isinstance(v, (int, float, str)) for v in values):
            raise ConfigError(f"{where}: grid: {key}: expected a list of values, got {values!r:.60}")
        if len(set(map(str, values))) < len(values) or not all(NAME.fullmatch(f"{v}") for v in values):
            raise ConfigError(f"{where}: grid: {key}: values must differ and be short, got {values!r:.60}")
        out[key] = tuple(values)
    if math.prod(map(len, out.values())) > MOST_RUNS:
        raise ConfigError(f"{where}: grid: more than {MOST_RUNS:,} combinations")
    return out


def _tuple(given: Any, kind: type, where: str) -> tuple[Any, ...]:
    rows = given if isinstance(given, list) else [given]
    if not rows or not all(isinstance(v, kind) and not isinstance(v, bool) for v in rows):
        what = "names of designs" if kind is str else "whole numbers"
        raise ConfigError(f"{where}: expected {what}, got {given!r:.60}")
    if len(set(rows)) < len(rows):
        raise ConfigError(f"{where}: the same one stands twice in {given!r:.60}")
    return tuple(rows)


def remember(folder: Path, command: str) -> None:
    """Note beside a sweep's runs how they were asked for, so that a report can say how to run them again."""
    folder.mkdir(parents=True, exist_ok=True)
    records.write(folder / SWEEP, {"commands": list(dict.fromkeys([*asked(folder), command]))})


def asked(folder: Path) -> list[str]:
    """The commands that a sweep's runs came from."""
    path = folder / SWEEP
    return [str(c) for c in records.read_json(path).get("commands", ())] if path.exists() else []
