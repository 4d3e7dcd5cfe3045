"""python -m ablations.decoder: train a scale's decoder from CLIP tokens to pictures, which its runs then stand on."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from ablations import arguments
from headtohead import presets, records
from headtohead.command import Parser, say
from headtohead.config import WORLD, DecoderConfig
from headtohead.data.shards import declare
from headtohead.portion import Portion
from headtohead.strict import ConfigError, build

CONFIG, STAGE = "config.json", "headtohead.decoder_stage"


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.decoder", __doc__)
    parser.add_argument("--scale", default="paper", help=f"one of: {', '.join(presets.DECODERS)}")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, such as data.mix=mix.yaml")
    parser.add_folder("--folder", Path(), "where it goes; the scale's foundations.decoder when not given")
    parser.add_device()
    arguments.add_launch(parser)
    options = parser.parse_args(given)
    return parser.concluded(lambda: _decoder(options))


def _decoder(options: argparse.Namespace) -> int:
    config = presets.decoder(options.scale, arguments.settings(options.set))
    folder = options.folder if options.folder != Path() else Path(config.foundations.decoder)
    launch = arguments.launch(options)
    Portion.of(config.train.batch, config.compute.micro_batch, 0, launch.devices)
    for mix in {config.data.mix} - {WORLD}:
        declare.read(mix)
    prepare(folder, config)
    more = ["--device", options.device] if options.device else []
    if launch.by == "slurm":
        say(f"{folder}: job {launch.submit(folder, folder.name, STAGE, [str(folder), *more])}")
        return 0
    return launch.run(STAGE, [str(folder), *more])


def prepare(folder: Path, config: DecoderConfig) -> None:
    """A folder with another training in it is left alone."""
    path, plain = folder / CONFIG, json.loads(json.dumps(dataclasses.asdict(config)))
    if path.exists() and build(DecoderConfig, records.read_json(path), str(path)) != config:
        raise ConfigError(f"{path}: holds another training; move it away or give another --folder")
    folder.mkdir(parents=True, exist_ok=True)
    records.write(path, plain)


if __name__ == "__main__":
    sys.exit(main())
