"""Options that several of the study's commands share: settings, and how trainings are launched."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ablations.launch import LAUNCHERS, Launch
from headtohead.command import Parser, positive
from headtohead.strict import ConfigError


def settings(given: Sequence[str] | None) -> dict[str, str]:
    """`KEY=VALUE ...` as overrides of a configuration."""
    out: dict[str, str] = {}
    for text in given or ():
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise ConfigError(f"--set: expected KEY=VALUE such as head.dim=256, got {text!r}")
        if key in out:
            raise ConfigError(f"--set: {key} stands twice")
        out[key] = value
    return out


def command(target: str, words: Mapping[str, Any]) -> str:
    """The call of make's that asks for the same again."""
    return " ".join([f"make {target}", *(f"{key}={shlex.quote(str(value))}" for key, value in words.items() if value)])


def add_launch(parser: Parser) -> None:
    parser.add_argument("--launch", choices=LAUNCHERS, default="local", help="one device, torchrun, or jobs of SLURM")
    parser.add_argument("--nodes", type=positive, default=1, help="machines that a training takes")
    parser.add_argument("--gpus", type=positive, help="processes a machine; its GPUs when not given")
    parser.add_argument("--rendezvous", default="", metavar="HOST:PORT", help="of the first machine, for torchrun")
    parser.add_argument("--sbatch", nargs="+", default=[], metavar="OPTION", help="such as partition=h100 time=8:00:00")


def launch(options: argparse.Namespace) -> Launch:
    gpus = options.gpus or (_gpus() if options.launch == "torchrun" else 1)
    sbatch = tuple(f"--{option.lstrip('-')}" for option in options.sbatch)
    out = Launch(options.launch, options.nodes, gpus, options.rendezvous, sbatch)
    out.check()
    return out


def _gpus() -> int:
    import torch

    return max(1, torch.cuda.device_count())
