"""python -m ablations.sweep: train every run of a sweep that is not finished, and record its curves."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

from ablations import arguments, spec
from ablations.outlook import announce
from ablations.spec import SWEEPS
from ablations.states import state_of
from ablations.worker import Worker
from ablations.yaml_files import find
from headtohead import loggers
from headtohead.command import GOES_ON, Parser, positive, say, seeds
from headtohead.config import WORLD
from headtohead.data.shards import declare
from headtohead.design import DESIGNS
from headtohead.portion import Portion
from headtohead.presets import PRESETS
from headtohead.strict import known


def chosen(options: argparse.Namespace) -> spec.Sweep:
    """The sweep of the command line: a file's, or one made of DESIGN; options override the file."""
    overrides: dict[str, Any] = dict(arguments.settings(options.set))
    if options.steps is not None:
        overrides["train.steps"] = options.steps
    file = find(SWEEPS, options.name, "sweep") if options.name is not None else None
    asked = known("micro" if options.scale is None else options.scale, PRESETS, "scale", "command line")
    base = spec.read(file) if file else spec.parse(asked, {"designs": "all", "scale": asked}, "command line")
    scale = base.scale if options.scale is None else options.scale
    given = {
        "designs": options.design or list(base.designs),
        "seeds": options.seeds or list(base.seeds),
        "scale": scale,
        "set": {**base.overrides, **overrides},
        "grid": {key: list(values) for key, values in base.grid.items()},
        "variants": {design: list(rows) for design, rows in base.variants.items()},
        **base.how_chosen(),
    }
    another = scale != base.scale
    name = f"{base.name}-{scale}" if another else base.name
    return spec.parse(named(name, overrides), given, str(file) if file else "command line")


def named(name: str, overrides: dict[str, Any]) -> str:
    """Runs of other settings are another sweep, in a folder of its own: their curves are never pooled."""
    whole = "-".join([name, *(f"{key}_{value}" for key, value in sorted(overrides.items()))])
    if spec.NAME.fullmatch(whole) or not overrides:
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
    arguments.add_launch(parser)
    loggers.add(parser)
    parser.add_argument("--no-estimate", action="store_true", help="begin without measuring how long it will take")
    options = parser.parse_args(given)
    return parser.concluded(lambda: _sweep(options))


def _sweep(options: argparse.Namespace) -> int:
    sweep = chosen(options)
    runs = sweep.runs()
    launch, options.log = arguments.launch(options), loggers.checked(options.log)
    for run in runs.values():
        Portion.of(run.train.batch, run.compute.micro_batch, 0, launch.devices)
    for mix in {run.data.mix for run in runs.values()} - {WORLD}:
        declare.read(mix)
    states = {name: state_of(options.results / sweep.name / name, run) for name, run in runs.items()}
    folder = options.results / sweep.name
    spec.remember(folder, again(options), runs, sweep.tuned)
    announce(sweep, runs, states, options)
    try:
        codes = Worker(folder, options.cache, options.device, launch, options.log).work(runs)
    except SystemExit as asked:  # a run that was asked to end has saved
        say(f"sweep: {GOES_ON}")
        return int(asked.code or 0)
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


if __name__ == "__main__":
    sys.exit(main())
