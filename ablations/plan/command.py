"""Plan runs: FLOPs, GPU-hours, memory and disk, from the configuration alone; no weights, network or GPU needed."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.cli import arguments
from ablations.plan.one_design.accelerators import KINDS
from ablations.sweep import sweep_file
from headtohead.config import presets
from headtohead.config.parsing import known
from headtohead.config.run_config import WORLD, RunConfig
from headtohead.utils.cli import Parser, positive, say, seeds
from headtohead.utils.errors import InputError

if TYPE_CHECKING:
    from ablations.plan.totals import Plan


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.plan", __doc__)
    parser.add_argument("name", nargs="?", help=f"a file of {sweep_file.SWEEPS}/ without its ending")
    arguments.add_design(parser, given, "some of: {}; all when not given", nargs="+")
    parser.add_argument("--scale", help=f"one of: {', '.join(presets.PRESETS)}; without it the file's, or paper")
    parser.add_argument("--seeds", type=seeds, help="such as 0,1,2; without it the file's, or 0")
    parser.add_argument("--steps", type=positive, help="training steps, when not the scale's")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, such as data.mix=mix.yaml")
    parser.add_argument("--nodes", type=positive, default=1, help="machines that a training takes")
    parser.add_argument("--gpus", type=positive, default=8, help="GPUs a machine")
    parser.add_argument("--gpu", default="h100", metavar="KIND", help=f"one of: {', '.join(KINDS)}")
    parser.add_argument("--utilisation", type=_share, default=0.4, help="share of the GPUs' dense peak that is reached")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the same for programs")
    options = parser.parse_args(given)
    return parser.concluded(lambda: _plan(options), "stopped")


def _plan(options: argparse.Namespace) -> None:
    made = planned(options)
    if options.json:
        from ablations.plan.as_json import plain

        try:
            options.json.write_text(json.dumps(plain(made), indent=1) + "\n")
        except OSError as error:
            raise InputError(f"--json: {options.json}: {error.strerror}") from None
    from ablations.plan.as_text import text

    print(text(made, options.scale))


def planned(options: argparse.Namespace) -> Plan:
    """The plan of a command line. Settings are checked before torch is imported."""
    gpu, sweep = KINDS[known(options.gpu, KINDS, "gpu")], sweep_file.from_options(options, "paper")
    options.scale = sweep.scale
    first = f"-s{sweep.seeds[0]}"
    configs = {name.removesuffix(first): config for name, config in sweep.runs().items() if name.endswith(first)}
    stage = presets.decoder(sweep.scale) if sweep.scale in presets.DECODERS else None
    from ablations.plan import totals

    samples = _samples(next(iter(configs.values())))
    machine = totals.Machine(gpu, options.nodes * options.gpus, options.utilisation)
    return totals.plan(configs, stage, samples, machine, len(sweep.seeds))


def _samples(config: RunConfig) -> int | None:
    """Samples of the run's mix; None without one, or before its shards are there."""
    if config.data.mix == WORLD:
        return None
    from headtohead.data import build
    from headtohead.data.shards.locations import ShardError

    try:
        return build.opened(config.data, config.foundations.picture).samples
    except ShardError as error:
        say(f"plan: {error}; planning for {config.data.pictures:,} samples (data.pictures)")
        return None


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and up to 1, got {text!r}")
    return value
