"""Measure speed: each part in a process of its own, printed as tables and kept as JSON under results/bench."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ablations.bench import against, commands, measures, paper_scale, parts
from ablations.bench.peers import compare
from ablations.bench.peers.checkout import SOURCE, PeerError, checked
from headtohead.config.parsing import known
from headtohead.utils import compute
from headtohead.utils.cli import Parser, seconds
from headtohead.utils.processes import isolated


@dataclass(frozen=True)
class Group:
    """Measurements of one kind: a table.

    parts    names of what is measured
    measure  takes a part's name, device and seconds; returns its row
    heading  of the columns after the name
    line     of a row after the name, as a format of `row`
    about    takes the device; what the JSON says of all rows
    """

    parts: Callable[[], Iterable[str]]
    measure: Callable[[str, str, float], dict[str, Any]]
    heading: str
    line: str
    about: Callable[[str], dict[str, Any]] = lambda device: {}


RATE = (
    "pictures/s      10 % to 90 %  peak MB",
    "{row[pictures/s]:10.0f} {row[10 % to 90 %][0]:8.0f} {row[10 % to 90 %][1]:8.0f} {row[peak MB]:8.0f}",
)
PAGED = ("clip_flow: training step", "clip_mse: training step", "clip_flow: prompts to pictures")
GROUPS = {
    **{name: Group(own.keys, measures.rate, *RATE) for name, own in parts.GROUPS.items()},
    "pages": Group(
        lambda: PAGED,
        measures.page_sizes,
        "huge /s   small /s     faster",
        "{row[huge pages/s]:7.0f} {row[small pages/s]:10.0f} {row[times faster]:9.1f}x",
    ),
    "paper": Group(
        paper_scale.parts,
        paper_scale.measure,
        "pictures/s   TFLOP/s  of peak  peak MB",
        "{row[pictures/s]:10.2f} {row[TFLOP/s]:9.2f} {row[share of peak]:8.0%} {row[peak MB]:8.0f}",
        lambda device: paper_scale.Size.of(device).about,
    ),
    "frechet": Group(
        measures.SAMPLES.keys,
        measures.frechet,
        "  seconds     sqrtm     faster",
        "{row[seconds]:9.2f} {row[sqrtm]:9.1f} {row[times faster]:9.0f}x",
    ),
    "commands": Group(
        commands.parts, commands.measure, "  seconds  peak MB", "{row[seconds]:9.2f} {row[peak MB]:8.0f}"
    ),
}
AGAINST = "before"  # what a file is called whose rates stand beside an earlier commit's
PEERS = "peers"  # measured where the folder of the reference implementation is given


def _peers(folder: Path) -> Group:
    return Group(
        compare.PARTS.keys,
        partial(compare.measure, folder=folder),
        "  ours /s   theirs /s     faster   10 % to 90 %      trained       theirs",
        "{row[pictures/s]:9.1f} {row[reference pictures/s]:11.1f} {row[times faster]:9.2f}x"
        " {row[10 % to 90 %][0]:8.2f} {row[10 % to 90 %][1]:5.2f}"
        " {row[parameters][ours][trained]:12,} {row[parameters][reference][trained]:12,}",
        partial(compare.about, folder=folder),
    )


def _against(group: Group, now: against.Side, before: against.Side, commit: str) -> Group:
    return Group(
        group.parts,
        partial(against.measure, now=now, before=before),
        "     now /s   before /s     faster",
        "{row[pictures/s]:11.1f} {row[before/s]:11.1f} {row[times faster]:9.2f}x",
        lambda device: {"before": commit},
    )


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.bench", __doc__)
    names = f"some of: {', '.join((*GROUPS, PEERS))}; when none given, {PEERS} with --peer and all others without"
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=names)
    parser.add_argument("--peer", type=Path, metavar="FOLDER", help=f"{PEERS}: a checkout of {SOURCE}")
    both = f"measure {', '.join(parts.GROUPS)} here and at an earlier commit, in turns"
    parser.add_argument("--against", metavar="REVISION", help=both)
    parser.add_folder("--out", Path("results/bench"), "folder for the JSON")
    parser.add_device()
    parser.add_argument("--seconds", type=seconds, default=4.0, help="how long each part is measured")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _all(options), "stopped")


def _all(options: argparse.Namespace) -> None:
    if not options.against:
        return _measure(_groups(options), options, isolated)
    names = options.groups or ["designs"]
    for name in names:
        known(name, parts.GROUPS, "group of --against")
    with against.sides(options.against) as (now, before, commit):
        groups = {f"{name}-{AGAINST}": _against(GROUPS[name], now, before, commit) for name in names}
        _measure(groups, options, lambda work, *given: work(*given))  # its sides have processes of their own
    return None


def _groups(options: argparse.Namespace) -> dict[str, Group]:
    names = options.groups or ([PEERS] if options.peer else GROUPS)
    for name in names:
        known(name, {**GROUPS, PEERS: None}, "group")
    if PEERS in names and options.peer is None:
        raise PeerError(f"{PEERS}: needs --peer FOLDER, a checkout of {SOURCE}")
    return {name: _peers(checked(options.peer)) if name == PEERS else GROUPS[name] for name in names}


def _measure(groups: dict[str, Group], options: argparse.Namespace, run: Callable[..., dict[str, Any]]) -> None:
    device = options.device or compute.best_device()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, group in groups.items():
        print(f"\n{name:34} {group.heading}")
        rows = []
        for part in group.parts():
            rows.append(row := run(group.measure, part, device, options.seconds))
            print(f"{part:34} {group.line.format(row=row)}", flush=True)
        path = options.out / f"{name}-{device}.json"
        path.write_text(json.dumps({**compute.describe(device), **group.about(device), "rows": rows}, indent=1) + "\n")
        print(path)
