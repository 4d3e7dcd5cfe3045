"""Train a scale's decoder from CLIP tokens to pictures, which its runs then use."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from ablations.cli import arguments
from ablations.sweep import launch as launching
from headtohead.config import presets
from headtohead.config.parsing import ConfigError, build
from headtohead.config.run_config import WORLD, DecoderConfig
from headtohead.data import mixture
from headtohead.data.order import Portion
from headtohead.records import json_files
from headtohead.utils.cli import Parser, say

CONFIG, STAGE = "config.json", "headtohead.training.stages.clip_decoder"


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.prepare.clip_decoder", __doc__)
    parser.add_argument("--scale", default="paper", help=f"one of: {', '.join(presets.DECODERS)}")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, such as data.mix=mix.yaml")
    parser.add_folder("--folder", Path(), "of the decoder; the scale's foundations.decoder when not given")
    parser.add_device()
    launching.add_options(parser)
    options = parser.parse_args(given)
    return parser.concluded(lambda: _decoder(options))


def _decoder(options: argparse.Namespace) -> int:
    config = presets.decoder(options.scale, arguments.settings(options.set))
    folder = options.folder if options.folder != Path() else Path(config.foundations.decoder)
    launch = launching.from_options(options)
    Portion.of(config.train.batch, config.compute.micro_batch, 0, launch.devices)
    for mix in {config.data.mix} - {WORLD}:
        mixture.read(mix)
    prepare(folder, config)
    more = ["--device", options.device] if options.device else []
    if launch.by == "slurm":
        say(f"{folder}: job {launch.submit(folder, folder.name, STAGE, [str(folder), *more])}")
        return 0
    return launch.run(STAGE, [str(folder), *more])


def prepare(folder: Path, config: DecoderConfig) -> None:
    """Write the training's configuration to its folder; raises if the folder holds another training."""
    path, plain = folder / CONFIG, json.loads(json.dumps(dataclasses.asdict(config)))
    if path.exists() and build(DecoderConfig, json_files.read_json(path), str(path)) != config:
        raise ConfigError(f"{path}: holds another training; move it away or give another --folder")
    folder.mkdir(parents=True, exist_ok=True)
    json_files.write(path, plain)


if __name__ == "__main__":
    sys.exit(main())
