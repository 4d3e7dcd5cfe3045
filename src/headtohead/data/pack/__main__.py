"""Pack a folder of pictures and captions into tar shards, index them, and write the mix.yaml that trains on them.

Pictures (.jpg, .jpeg, .png, .webp) are stored as they are. Captions are text files beside them (cat.jpg and cat.txt),
or a CSV or JSONL file with `file` and `caption`, in which a picture may have several.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from headtohead.data.pack.listing import listed
from headtohead.data.pack.write import MIX, pack
from headtohead.data.shards.build_index import cores
from headtohead.utils.cli import Parser, positive

FEW = 2560  # samples below which the default of evaluation.held_out takes a tenth or more of them


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected a folder: make pack FOLDER=pictures OUT=shards")
    return Path(text)


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("headtohead.data.pack", __doc__)
    parser.add_argument("folder", type=_path, help="of pictures, with subfolders")
    parser.add_argument("out", type=_path, help="where shards, their indices and mix.yaml go")
    parser.add_argument("--captions", type=Path, metavar="FILE", help=".csv or .jsonl with file and caption")
    parser.add_argument("--per-shard", type=positive, default=1000, help="samples a shard")
    parser.add_argument("--workers", type=positive, default=cores(), help="processes")
    parser.add_argument("--skip", action="store_true", help="leave out what has no caption or does not decode")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _pack(options))


def _pack(options: argparse.Namespace) -> None:
    pictures = listed(options.folder, options.captions, options.skip)
    report = pack(
        pictures, options.out, per_shard=options.per_shard, workers=options.workers, skip=options.skip, quiet=False
    )
    size = sum(summary.stamp.size for summary in report.summaries) / 1e6
    shards = "shard" if len(report.summaries) == 1 else "shards"
    print(f"{report.samples:,} pictures in {len(report.summaries):,} {shards}, {size:,.1f} MB; to train on them:")
    few = f" evaluation.held_out={max(1, report.samples // 10)}" if report.samples < FEW else ""
    print(f'  make sweep DESIGN=clip_flow SET="data.mix={options.out / MIX}{few}"')


if __name__ == "__main__":
    sys.exit(main())
