"""Train every run of a sweep that is not finished, and record its curves."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

from ablations.cli import arguments, yaml_files
from ablations.cli.yaml_files import find
from ablations.sweep import launch as launching
from ablations.sweep import sweep_file
from ablations.sweep.sweep_file import SWEEPS
from ablations.sweep.time_estimate import announce
from ablations.sweep.watch import state_of
from ablations.sweep.worker import Worker
from headtohead.config.design import DESIGNS, expanded
from headtohead.config.parsing import known
from headtohead.config.presets import PRESETS
from headtohead.config.run_config import WORLD
from headtohead.data.order import Portion
from headtohead.records import sweep_folder
from headtohead.training.callbacks import loggers
from headtohead.utils.cli import Parser, positive, say, seeds


def chosen(options: argparse.Namespace) -> sweep_file.Sweep:
    """The sweep of the command line: a file's, or one made of DESIGN; options override the file."""
    overrides: dict[str, Any] = dict(arguments.settings(options.set))
    if options.steps is not None:
        overrides["train.steps"] = options.steps
    file = find(SWEEPS, options.name, "sweep") if options.name is not None else None
    asked = known("micro" if options.scale is None else options.scale, PRESETS, "scale", "command line")
    base = (
        sweep_file.read(file) if file else sweep_file.parse(asked, {"designs": "all", "scale": asked}, "command line")
    )
    scale = base.scale if options.scale is None else options.scale
    designs = expanded(options.design or base.designs)
    given = base.keys() | {
        "designs": list(designs),
        "seeds": options.seeds or base.seeds,
        "scale": scale,
        "set": {**base.set, **overrides},
        "variants": {design: rows for design, rows in base.variants.items() if design in designs},
    }
    another = scale != base.scale
    name = f"{base.name}-{scale}" if another else base.name
    return sweep_file.parse(named(name, overrides), given, str(file) if file else "command line")


def named(name: str, overrides: dict[str, Any]) -> str:
    """Runs of other settings are another sweep, in a folder of its own: their curves are never pooled."""
    whole = "-".join([name, *(f"{key}_{value}" for key, value in sorted(overrides.items()))])
    if yaml_files.NAME.fullmatch(whole) or not overrides:
        return whole
    return f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.sweep", __doc__)
    parser.add_argument("name", nargs="?", help=f"a file of {SWEEPS}/ without its ending")
    parser.add_argument(
        "--design", nargs="+", metavar="DESIGN", help=f"some of: {', '.join(DESIGNS)}; all when not given"
    )
    parser.add_argument("--seeds", type=seeds, help="such as 0,1,2; without it the file's, or 0")
    parser.add_argument("--scale", help=f"one of: {', '.join(PRESETS)}; without it the file's, or micro")
    parser.add_argument("--steps", type=positive, help="training steps, when not the scale's")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, such as head.dim=256")
    parser.add_folder("--results", Path("results"), "where records go")
    parser.add_folder("--cache", Path(".cache/headtohead"), "where encoded pictures are kept")
    parser.add_device()
    launching.add_options(parser)
    loggers.add(parser)
    parser.add_argument("--no-estimate", action="store_true", help="begin without measuring how long it will take")
    options = parser.parse_args(given)
    return parser.concluded(lambda: _sweep(options))


def _sweep(options: argparse.Namespace) -> int:
    sweep = chosen(options)
    runs = sweep.runs()
    launch, options.log = launching.from_options(options), loggers.checked(options.log)
    for run in runs.values():
        Portion.of(run.train.batch, run.compute.micro_batch, 0, launch.devices)
    for mix in {run.data.mix for run in runs.values()} - {WORLD}:
        from headtohead.data import mixture

        mixture.read(mix)
    states = {name: state_of(options.results / sweep.name / name, run) for name, run in runs.items()}
    folder = options.results / sweep.name
    sweep_folder.remember(folder, again(options), runs, sweep.tuned)
    announce(sweep, runs, states, options)
    codes = Worker(folder, options.cache, options.device, launch, options.log).work(runs)
    if failed := [name for name, code in codes.items() if code]:
        say(f"sweep {sweep.name}: failed: {', '.join(failed)}; the same command tries them again")
    return max(codes.values(), default=0)


def again(options: argparse.Namespace) -> str:
    """The command that asks for the same sweep."""
    seeds, setting = options.seeds, options.set
    words = {
        "NAME": options.name,
        "DESIGN": " ".join(options.design or ()),
        "SEEDS": ",".join(map(str, seeds or ())),
        "SCALE": options.scale,
        "STEPS": options.steps,
        "SET": " ".join(setting or ()),
    }
    return arguments.command("sweep", words)
