"""Train every run of a sweep that is not finished, and record its curves."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ablations.cli import arguments
from ablations.sweep import launch as launching
from ablations.sweep import sweep_file
from ablations.sweep.sweep_file import SWEEPS
from ablations.sweep.time_estimate import announce
from ablations.sweep.watch import state_of
from ablations.sweep.worker import Worker
from headtohead.config.presets import EVALUATIONS, PRESETS
from headtohead.config.run_config import WORLD, RunConfig
from headtohead.data.order import Portion
from headtohead.records import sweep_folder
from headtohead.training.callbacks import loggers
from headtohead.utils.cli import Parser, positive, say, seeds
from headtohead.utils.errors import printable


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.sweep", __doc__)
    parser.add_argument("name", nargs="?", help=f"a file of {SWEEPS}/ without its ending")
    arguments.add_design(parser, given, "some of: {}; all when not given", nargs="+")
    parser.add_argument("--seeds", type=seeds, help="such as 0,1,2; without it the file's, or 0")
    parser.add_argument("--scale", help=f"one of: {', '.join(PRESETS)}; without it the file's, or micro")
    parser.add_argument("--steps", type=positive, help="training steps, when not the scale's")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, such as head.dim=256")
    parser.add_folder("--results", Path("results"), "where records go")
    parser.add_folder("--cache", Path(".cache/headtohead"), "where encoded pictures are kept")
    parser.add_device()
    launching.add_options(parser)
    loggers.add(parser)
    parser.add_argument("--eval", metavar="HOW", help=f"how thoroughly points are measured: {', '.join(EVALUATIONS)}")
    parser.add_argument("--dry-run", action="store_true", help="print the runs with all settings, and do nothing")
    parser.add_argument("--no-estimate", action="store_true", help="begin without measuring how long it will take")
    options = parser.parse_args(given)
    return parser.concluded(lambda: _sweep(options))


def _sweep(options: argparse.Namespace) -> int:
    sweep = sweep_file.from_options(options)
    runs = sweep.runs()
    launch, options.log = launching.from_options(options), loggers.checked(options.log)
    for run in runs.values():
        Portion.of(run.train.batch, run.compute.micro_batch, 0, launch.devices)
    for mix in {run.data.mix for run in runs.values()} - {WORLD}:
        from headtohead.data import mixture

        mixture.read(mix)
    states = {name: state_of(options.results / sweep.name / name, run) for name, run in runs.items()}
    folder = options.results / sweep.name
    if options.dry_run:
        print("\n".join(dry_run(sweep, folder, runs, states)))
        return 0
    sweep_folder.remember(folder, command_line(options), runs, sweep.tuned, sweep.note)
    announce(sweep, runs, states, options)
    codes = Worker(folder, options.cache, options.device, launch, options.log).work(runs)
    if failed := [name for name, code in codes.items() if code]:
        say(f"sweep {sweep.name}: failed: {', '.join(failed)}; the same command tries them again")
    return max(codes.values(), default=0)


def dry_run(
    sweep: sweep_file.Sweep, folder: Path, runs: Mapping[str, RunConfig], states: Mapping[str, str]
) -> list[str]:
    """Lines that list what a sweep would do: settings that all of its runs share, then each run with its own.

    sweep   to be run
    folder  of the sweep
    runs    configurations by name
    states  finished, started or new, by name
    """
    flat = {name: dict(_flat(run.plain())) for name, run in runs.items()}
    first = next(iter(flat.values()))
    shared = {key: v for key, v in first.items() if all(own.get(key, key) == v for own in flat.values())}
    out = [f"sweep {sweep.name}: {len(runs)} run{'s' * (len(runs) != 1)} in {folder}", *filter(None, [sweep.note])]
    out += ["settings of all runs:", *(f"  {key}: {value}" for key, value in shared.items()), "runs:"]
    for name, own in flat.items():
        out.append(f"  {name} ({states[name]}):")
        out += [f"    {key}: {value}" for key, value in own.items() if key not in shared]
    return [printable(line) for line in out]


def _flat(plain: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Keys such as `head.dim`, with values as YAML writes them."""
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)


def command_line(options: argparse.Namespace) -> str:
    """The `make sweep` command that gives the same sweep."""
    seeds, setting = options.seeds, options.set
    words = {
        "NAME": options.name,
        "DESIGN": " ".join(options.design or ()),
        "SEEDS": ",".join(map(str, seeds or ())),
        "SCALE": options.scale,
        "STEPS": options.steps,
        "SET": " ".join(setting or ()),
        "EVAL": options.eval,
    }
    return arguments.command("sweep", words)
