"""What runs would cost and whether they fit, before anything is spent or downloaded."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.cli import arguments
from ablations.plan.one_design.accelerators import KINDS
from headtohead.config import presets
from headtohead.config.design import DESIGNS, expanded
from headtohead.config.parsing import ConfigError, known
from headtohead.config.run_config import WORLD, RunConfig
from headtohead.utils.cli import Parser, positive, seeds
from headtohead.utils.errors import InputError

if TYPE_CHECKING:
    from ablations.plan.totals import Plan


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.plan", __doc__)
    parser.add_argument("--design", nargs="+", metavar="DESIGN", default=["all"], help=f"some of: {', '.join(DESIGNS)}")
    parser.add_argument("--scale", default="paper", help=f"one of: {', '.join(presets.PRESETS)}")
    parser.add_argument("--seeds", type=seeds, default=[0], help="such as 0,1,2")
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
    """Wrong settings are found before torch is loaded."""
    gpu, configs = KINDS[known(options.gpu, KINDS, "gpu")], _configs(options)
    stage = presets.decoder(options.scale) if options.scale in presets.DECODERS else None
    some = next(iter(configs.values()))
    from ablations.plan import totals
    from headtohead.data import build

    samples = None
    if some.data.mix != WORLD:
        samples = build.opened(some.data, some.foundations.picture).samples
    machine = totals.Machine(gpu, options.nodes * options.gpus, options.utilisation)
    return totals.plan(configs, stage, samples, machine, len(options.seeds))


def _configs(options: argparse.Namespace) -> dict[str, RunConfig]:
    designs = expanded(options.design)
    if len(set(designs)) < len(designs):
        raise ConfigError(f"--design: the same one stands twice in {' '.join(designs)}")
    overrides = dict(arguments.settings(options.set))
    if options.steps is not None:
        overrides["train.steps"] = str(options.steps)
    return {design: presets.configure(design, options.scale, 0, overrides, "command line") for design in designs}


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and up to 1, got {text!r}")
    return value
