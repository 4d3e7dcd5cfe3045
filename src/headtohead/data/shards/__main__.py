"""Index tar shards for random access, and name everything in them that is damaged."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from headtohead.data.shards import locations
from headtohead.data.shards.build_index import MAX_DAMAGED, Report, build, cores
from headtohead.utils.cli import Parser, positive, say

SHOWN = 20  # problems that are printed; the indices hold all of them


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("headtohead.data.shards", __doc__)
    what = "a folder, a glob, a pattern such as 'shards/{00000..00099}.tar', or an fsspec address of those"
    parser.add_argument("data", nargs="+", metavar="DATA", help=what)
    parser.add_argument("--index", metavar="DIR", help="where indices go; beside the shards when not given")
    parser.add_argument("--workers", type=positive, default=cores(), help="processes")
    parser.add_argument("--verify", action="store_true", help="decode every picture once")
    parser.add_argument("--max-damaged", type=share, default=MAX_DAMAGED, help="share of samples that may be damaged")
    parser.add_argument("--report", type=Path, metavar="FILE", help="counts and every problem as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _index(options))


def _index(options: argparse.Namespace) -> None:
    found = locations.shards(options.data)
    report = build(found, options.index or "", workers=options.workers, verify=options.verify, quiet=options.quiet)
    _print(report, options.report)
    report.check(options.max_damaged)


def _print(report: Report, file: Path | None) -> None:
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report.plain(), indent=1) + "\n")
    for trouble in report.said[:SHOWN]:
        say(f"index: {trouble}")
    if len(report.said) > SHOWN:
        say(f"index: and {len(report.said) - SHOWN:,} more (--report FILE writes all)")
    for kind, count in report.plain()["kinds"].items():
        print(f"{count:>10,} {kind}")
    print(
        f"{report.samples:,} samples in {len(report.summaries):,} shards, {report.made:,} of them indexed now; "
        f"{report.lost:,} damaged or lost ({report.share:.2%})"
    )


def share(text: str) -> float:
    """A number from 0 to 1, from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
