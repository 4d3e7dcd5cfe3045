"""Encode the pictures of a mix of corpora once, for all runs whose design predicts that representation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ablations.cli import arguments
from headtohead.config.parsing import ConfigError
from headtohead.config.presets import PRESETS, configure
from headtohead.config.run_config import WORLD
from headtohead.utils import compute
from headtohead.utils.cli import Parser, say


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.prepare.cache_features", __doc__)
    arguments.add_design(parser, given, "one of: {}; its representation is encoded", required=True)
    parser.add_argument("--scale", default="paper", help=f"one of: {', '.join(PRESETS)}")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, such as data.mix=mix.yaml")
    parser.add_folder("--folder", Path("features"), "of the features; runs then need data.features=FOLDER")
    parser.add_device()
    options = parser.parse_args(given)
    return parser.concluded(lambda: _cache(options))


def _cache(options: argparse.Namespace) -> None:
    config = configure(options.design, options.scale, 0, arguments.settings(options.set), "command line")
    if config.data.mix == WORLD:
        raise ConfigError("data.mix: runs encode the synthetic dataset themselves; give a mix file")
    import torch

    from headtohead.data import build
    from headtohead.models.build import image_tokens

    device = options.device or compute.best_device()
    if device == "cuda":  # tensor cores, as in training; without them this takes many times as long
        torch.set_float32_matmul_precision("high")
    codec = image_tokens(config).load(device)
    build.cache(config, codec, options.folder, device, say)


if __name__ == "__main__":
    sys.exit(main())
