"""sweeps/*.yaml to the runs of a sweep: which designs, seeds, scale and overrides. Strict: a typo is one clear line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablations.cli.yaml_files import NAME as NAME
from ablations.cli.yaml_files import load, named
from headtohead.config.design import DESIGNS, expanded, variant
from headtohead.config.parsing import ConfigError, known
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.records import sweep_folder
from headtohead.records.sweep_folder import Tuned as Tuned

SWEEPS = Path("sweeps")
KEYS = {"designs": 0, "seeds": 0, "scale": 0, "set": 0, "grid": 0, "variants": 0, "chosen": 0, "tuned": 0}
MOST_RUNS = 1000


@dataclass(frozen=True)
class Sweep:
    name: str
    designs: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    scale: str = "micro"
    overrides: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # settings of which every combination is run
    variants: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)  # of a design, beside its own runs
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)  # by design; `overrides` and `grid` go before
    tuned: dict[str, Tuned] = field(default_factory=dict)  # how they were chosen, by design
    where: str = ""  # the file it was read from

    def how_chosen(self) -> dict[str, Any]:
        """What a file says of settings that a search chose, as it says it."""
        return {"chosen": self.chosen, **({"tuned": sweep_folder.plain(self.tuned)} if self.tuned else {})}

    def runs(self) -> dict[str, RunConfig]:
        """Every run by its folder's name, checked before any of them begins; a sweep that is cut short by a deadline
        compares all designs on its first seeds."""
        out = {}
        for seed, design in itertools.product(self.seeds, self.designs):
            for point in self._points(design):
                own = {**self.chosen.get(design, {}), **self.overrides, **point}
                out[f"{variant(design, point)}-s{seed}"] = configure(design, self.scale, seed, own, self.where)
        return out

    def _points(self, design: str) -> Iterator[dict[str, Any]]:
        """What a design's runs differ in: every combination of the grid, but for what a variant says itself."""
        for row in ({}, *self.variants.get(design, ())):
            grid = {key: values for key, values in self.grid.items() if key not in row}
            for values in itertools.product(*grid.values()):
                yield {**dict(zip(grid, values, strict=True)), **row}


def read(path: Path) -> Sweep:
    """A sweep from its file; its name is the file's."""
    return parse(path.stem, load(path, "sweep"), str(path))


def parse(name: str, given: Any, where: str) -> Sweep:
    if not isinstance(given, Mapping):
        got = "nothing" if given is None else f"{given!r:.60}"
        raise ConfigError(f"{where}: expected keys such as designs and seeds, got {got}")
    for key in given:
        known(str(key), KEYS, "key", where)
    named(name, "sweep", where)
    designs = expanded(_tuple(given.get("designs"), str, f"{where}: designs"))
    overrides = given.get("set", {})
    if not isinstance(overrides, Mapping) or not all(isinstance(k, str) for k in overrides):
        raise ConfigError(f"{where}: set: expected settings such as head.dim: 256, got {overrides!r:.60}")
    grid, chosen = _grid(given.get("grid", {}), overrides, where), _chosen(given.get("chosen", {}), where)
    variants = _variants(given.get("variants", {}), set(overrides), where)
    scale = given.get("scale", "micro")
    if not isinstance(scale, str):
        raise ConfigError(f"{where}: scale: expected text, got {scale!r:.60}")
    return Sweep(
        name,
        designs,
        _tuple(given.get("seeds", [0]), int, f"{where}: seeds"),
        scale,
        dict(overrides),
        grid,
        variants,
        chosen,
        _tuned(given["tuned"], designs, chosen, {*overrides, *grid}, where) if "tuned" in given else {},
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


def _variants(given: Any, elsewhere: set[str], where: str) -> dict[str, tuple[dict[str, Any], ...]]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: variants: expected lists of settings by design, got {given!r:.60}")
    for design, rows in given.items():
        known(str(design), DESIGNS, "design", f"{where}: variants")
        if not isinstance(rows, list) or not rows or not all(_settings(row) for row in rows):
            raise ConfigError(
                f"{where}: variants: {design}: expected a list of settings such as head.dim: 128, got {rows!r:.60}"
            )
        for key in {key for row in rows for key in row} & elsewhere:
            raise ConfigError(f"{where}: {key} stands in variants and in set")
        if len({str(sorted(row.items())) for row in rows}) < len(rows):
            raise ConfigError(f"{where}: variants: {design}: has one twice")
    return {design: tuple(map(dict, rows)) for design, rows in given.items()}


def _settings(row: Any) -> bool:
    """Short enough to be part of a folder's name."""
    return (
        isinstance(row, Mapping)
        and bool(row)
        and all(isinstance(k, str) and NAME.fullmatch(f"{v}") for k, v in row.items())
    )


def _chosen(given: Any, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: chosen: expected settings by design, got {given!r:.60}")
    for design, own in given.items():
        known(str(design), DESIGNS, "design", f"{where}: chosen")
        if not isinstance(own, Mapping) or not all(isinstance(k, str) for k in own):
            raise ConfigError(f"{where}: chosen: {design}: expected settings such as train.lr: 0.004, got {own!r:.60}")
    return {design: dict(own) for design, own in given.items()}


def _tuned(
    given: Any, designs: tuple[str, ...], chosen: Mapping[str, Any], by_hand: set[str], where: str
) -> dict[str, Tuned]:
    """What chose the settings of each design; nothing did where one of them is set by hand."""
    found = sweep_folder.read(given, chosen, where)
    for design in designs:
        if design not in chosen:
            raise ConfigError(f"{where}: chosen: has nothing for {design}: the search was not for it")
    for design in found:
        known(design, chosen, "design", where, "tuned.")
    return {design: own for design, own in found.items() if design in designs and not by_hand & set(own.space)}


def _tuple(given: Any, kind: type, where: str) -> tuple[Any, ...]:
    rows = given if isinstance(given, list) else [given]
    if not rows or not all(isinstance(v, kind) and not isinstance(v, bool) for v in rows):
        what = "names of designs" if kind is str else "whole numbers"
        raise ConfigError(f"{where}: expected {what}, got {given!r:.60}")
    if len(set(rows)) < len(rows):
        raise ConfigError(f"{where}: the same one stands twice in {given!r:.60}")
    return tuple(rows)
