"""Sweep files (sweeps/*.yaml): designs, seeds, scale and settings, and the runs that follow from them.

sweeps/example.yaml shows every key.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from ablations.cli import arguments
from ablations.cli.yaml_files import NAME, find, load, named
from headtohead.config.design import DESIGNS, expanded, variant
from headtohead.config.parsing import ConfigError, OneOf, Rule, Zero, build, known
from headtohead.config.presets import EVALUATIONS, PRESETS, applicable, configure
from headtohead.config.run_config import RunConfig
from headtohead.records import sweep_folder
from headtohead.records.sweep_folder import Tuned
from headtohead.utils.cli import numbers

SWEEPS = Path("sweeps")
MOST_RUNS = 1000
NAME_LENGTH = 80  # characters, at most
OMITTED_FIRST = ("evaluation.", "data.", "compute.")  # settings that long names leave out first


def _repeated(values: Sequence[Any]) -> str:
    return "the same one stands twice" if len(set(values)) < len(values) else ""


def _expanded_numbers(given: Any) -> Any:
    """Expand ranges such as 0-3 and lists such as 0,2 that are written as text, alone or in a list."""
    if not isinstance(given, list):
        return numbers(given) if isinstance(given, str) and not given.isdecimal() else given
    return [one for part in given for one in (numbers(part) if isinstance(part, str) else [part])]


def _designs(given: Any) -> Any:
    several = [given] if isinstance(given, str) else given
    return expanded(several) if isinstance(several, list) and all(isinstance(one, str) for one in several) else given


def _values_of_a_grid(values: Sequence[Any]) -> str:
    """Check the values of a grid, which become parts of folder names."""
    ok = len(set(map(str, values))) == len(values) and all(NAME.fullmatch(f"{value}") for value in values)
    return "" if ok else "values must differ and be short"


def _rows_of_variants(rows: Sequence[Mapping[str, Any]]) -> str:
    if not all(NAME.fullmatch(f"{value}") for row in rows for value in row.values()):
        return f"expected {ROWS} with short values"
    return "has one twice" if len({str(sorted(row.items())) for row in rows}) < len(rows) else ""


def _grid_size(grid: Mapping[str, Sequence[Any]]) -> str:
    return f"more than {MOST_RUNS:,} combinations" if math.prod(map(len, grid.values())) > MOST_RUNS else ""


ROWS = "a list of settings such as head.dim: 128"
NUMBERS = ("whole numbers such as 0 or 0-3", _repeated, _expanded_numbers)
Value = bool | int | float | str
Settings = Annotated[dict[str, Any], Rule("settings such as head.dim: 256", empty=True)]
DesignName = Annotated[str, OneOf(DESIGNS, "design")]
Grid = dict[str, Annotated[list[Value], Rule("a list of values", _values_of_a_grid)]]
Rows = Annotated[list[dict[str, Value]], Rule(ROWS, _rows_of_variants)]


@dataclass(frozen=True, kw_only=True)
class SweepFile:
    """The keys of a sweep file."""

    designs: Annotated[tuple[str, ...], Rule("names of designs", _repeated, _designs)]
    seeds: Annotated[tuple[Zero, ...], Rule(*NUMBERS)] = (0,)
    scale: str = "micro"
    set: Settings = field(default_factory=dict)  # the same for every run
    # Lists of values by setting; every combination is run.
    grid: Annotated[Grid, Rule("settings with lists of values", _grid_size, empty=True)] = field(default_factory=dict)
    # Additional runs of single designs, each with these settings.
    variants: Annotated[dict[DesignName, Rows], Rule("lists of settings by design", empty=True)] = field(
        default_factory=dict
    )
    # Seeds of these; where none are given, those of the designs.
    variant_seeds: Annotated[tuple[Zero, ...], Rule(*NUMBERS, empty=True)] = ()
    # Settings of single designs; `set` and `grid` override them.
    chosen: Annotated[dict[DesignName, Settings], Rule("settings by design", empty=True)] = field(default_factory=dict)
    tuned: Any = None  # by design, the search that chose these settings, and its budget (sweep_folder.Tuned)
    note: str = ""  # a sentence that reports begin with

    def __post_init__(self) -> None:
        rows = {key for own in self.variants.values() for row in own for key in row}
        for one, two, keys in (("set", "grid", {*self.set} & {*self.grid}), ("variants", "set", rows & {*self.set})):
            for key in sorted(keys):
                raise ValueError(f"{key} stands in {one} and in {two}")
        for design in self.variants:
            if design not in self.designs:
                raise ValueError(f"variants: {design} is not among the designs; add it there, or remove its variants")


@dataclass(frozen=True, kw_only=True)
class Sweep(SweepFile):
    """A sweep from a file or a command line, with its name and its source (for errors)."""

    name: str
    where: str = ""
    tuned: dict[str, Tuned] = field(default_factory=dict)

    def keys(self) -> dict[str, Any]:
        """The keys of a sweep file that gives this sweep."""
        own = {f.name: getattr(self, f.name) for f in fields(SweepFile)}
        return own | {"designs": [*self.designs], "tuned": sweep_folder.plain(self.tuned) if self.tuned else None}

    def runs(self) -> dict[str, RunConfig]:
        """The configuration of every run by the name of its folder.

        In the order of seeds: a sweep that is interrupted then compares all designs on its first seeds.
        """
        out = {}
        for seed, design in itertools.product(self.seeds, self.designs):
            for point in self._points(design, seed):
                own = {**self.chosen.get(design, {}), **applicable(design, self.designs, self.set), **point}
                out[f"{variant(design, point)}-s{seed}"] = configure(design, self.scale, seed, own, self.where)
        return out

    def _points(self, design: str, seed: int) -> Iterator[dict[str, Any]]:
        """The settings in which a design's runs differ: combinations of the grid, without keys that a variant sets."""
        own = applicable(design, self.designs, self.grid)
        varied = seed in (self.variant_seeds or self.seeds)
        for row in ({}, *(self.variants.get(design, ()) if varied else ())):
            grid = {key: values for key, values in own.items() if key not in row}
            for values in itertools.product(*grid.values()):
                yield {**dict(zip(grid, values, strict=True)), **row}


def read(path: Path) -> Sweep:
    """Read a sweep file; the sweep has the file's name."""
    return parse(path.stem, load(path, "sweep"), str(path))


def parse(name: str, given: Any, where: str) -> Sweep:
    """A sweep from plain data.

    name   the sweep's, and its folder's
    given  keys of a sweep file
    where  file, or "command line", that errors name
    """
    file = build(SweepFile, given, where, expected="keys such as designs and seeds")
    tuned = _searches(file, where) if file.tuned is not None else {}
    return Sweep(**{**vars(file), "tuned": tuned}, name=named(name, "sweep", where), where=where)


def _searches(file: SweepFile, where: str) -> dict[str, Tuned]:
    """The search that chose each design's settings; none if one of these settings is set by hand."""
    found = sweep_folder.read(file.tuned, file.chosen, where)
    for design in file.designs:
        if design not in file.chosen:
            raise ConfigError(f"{where}: chosen: has nothing for {design}: the search was not for it")
    for design in found:
        known(design, file.chosen, "design", where, "tuned.")
    by_hand = {*file.set, *file.grid}
    return {design: own for design, own in found.items() if design in file.designs and not by_hand & {*own.space}}


def from_options(options: argparse.Namespace, scale: str = "micro") -> Sweep:
    """The sweep of a command line: a file's, or one of all designs; options override the file.

    options  name, design, seeds, scale, steps, set (None if not given) and, if the command has them, eval and results
    scale    if neither a file nor --scale gives one
    """
    overrides: dict[str, Any] = dict(arguments.settings(options.set))
    if options.steps is not None:
        overrides["train.steps"] = options.steps
    how = known(getattr(options, "eval", None) or "default", EVALUATIONS, "evaluation", "--eval")
    measured = {f"evaluation.{key}": value for key, value in EVALUATIONS[how].items()}
    file = find(SWEEPS, options.name, "sweep") if options.name is not None else None
    default = known(scale if options.scale is None else options.scale, PRESETS, "scale", "command line")
    base = read(file) if file else parse(default, {"designs": "all", "scale": default}, "command line")
    own = options.scale or base.scale
    designs = expanded(options.design or base.designs)
    given = base.keys() | {
        "designs": list(designs),
        "seeds": options.seeds or base.seeds,
        "scale": own,
        "set": {**base.set, **measured, **overrides},
        "variants": {design: rows for design, rows in base.variants.items() if design in designs},
    }
    name = f"{base.name}-{own}" if own != base.scale else base.name
    folder = folder_names(name, overrides | ({"eval": how} if measured else {}))
    before = [old for old in folder[1:] if (getattr(options, "results", SWEEPS) / old).is_dir()]
    return parse((before or folder)[0], given, str(file) if file else "command line")


def folder_names(name: str, overrides: Mapping[str, Any]) -> list[str]:
    """The name of a sweep's folder, followed by the name that earlier versions gave it, if it differs.

    Runs with other settings belong to another sweep with its own folder: their curves are never pooled. Settings that
    are too long for a name are shortened and a hash of all of them is appended.

    name       of the sweep, without settings of the command line
    overrides  settings of the command line
    """
    whole = "-".join([name, *(f"{key}_{value}" for key, value in sorted(overrides.items()))])
    if NAME.fullmatch(whole) or not overrides:
        return [whole]
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    first = sorted(overrides.items(), key=lambda item: (item[0].startswith(OMITTED_FIRST), item[0]))
    parts = [f"{key.rpartition('.')[2]}_{value}" for key, value in first]
    parts = [re.sub(r"[^A-Za-z0-9_.]+", "-", part)[:24].strip("-") for part in parts]
    room = NAME_LENGTH - len(f"{name}-and-00-more-{digest}")
    shown = [part for k, part in enumerate(parts) if sum(len(one) + 1 for one in parts[: k + 1]) <= room]
    more = [f"and-{len(parts) - len(shown)}-more"] if len(shown) < len(parts) else []
    return ["-".join([name, *shown, *more, digest]), f"{name}-{digest}"]
