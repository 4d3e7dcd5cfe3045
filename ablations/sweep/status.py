"""Print the progress of every run, its worker, why it failed, and when all will be done."""

from __future__ import annotations

import heapq
import io
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from ablations.analysis.curves import design_of
from ablations.cli import terminal
from ablations.cli.terminal import fit, pad, shorten, styled
from ablations.sweep.watch import CLOCKS, DAMAGED, ENDED, FAILED, GONE, Watched, sweeps
from headtohead.records import metrics
from headtohead.records.leases import clock
from headtohead.utils.cli import Parser, duration, seconds
from headtohead.utils.errors import printable

EVERY = 2.0  # seconds between updates, by default
MOST, LEAST, GAP = 48, 12, "  "  # characters of a cell, at most; characters of a name and rows, at least
TROUBLES = (FAILED, GONE, DAMAGED)
STYLES = {ENDED: "green", FAILED: "red", GONE: "red", DAMAGED: "red"}
UNLIMITED = 10_000  # columns and rows of output that is no terminal


def until_all_is_done(runs: Sequence[Watched]) -> float | None:
    """Seconds until all runs are done, if the workers train waiting runs, longest first; None without workers or
    known durations."""
    loads = [_left(run, runs) for run in runs if run.at_work]
    waiting = [_left(run, runs) for run in runs if run.waits]
    if not loads or None in loads or None in waiting:
        return None
    busy = [load for load in loads if load is not None]
    heapq.heapify(busy)
    for work in sorted((w for w in waiting if w is not None), reverse=True):
        heapq.heapreplace(busy, busy[0] + work)
    return max(busy)


def _left(run: Watched, runs: Sequence[Watched]) -> float | None:
    """Seconds left of a run: its own estimate, or one from other runs of its design, or from any run."""
    if run.left is not None:
        return run.left
    known = [r for r in runs if r.seconds_step is not None]
    alike = [r for r in known if _design(r) == _design(run)] or known
    if not alike or not run.steps:
        return None
    return median(r.seconds_step for r in alike if r.seconds_step is not None) * max(0, run.steps - run.step)


def _design(run: Watched) -> str:
    return design_of(run).split("+")[0]


def counted(runs: Sequence[Watched]) -> str:
    states = Counter("at work" if run.at_work else run.state for run in runs)
    several = "s" * (len(runs) != 1)
    return f"{len(runs)} run{several}: " + ", ".join(f"{number:,} {state}" for state, number in states.most_common())


def outlook(runs: Sequence[Watched], now: float) -> str:
    """When everything will be done, or how much work is left if no worker runs.

    runs  of a sweep
    now   time in seconds since the epoch
    """
    if not any(run.at_work or run.waits for run in runs):
        return ""
    if not any(run.at_work for run in runs):
        work = [_left(run, runs) for run in runs if run.waits]
        known = sum(w for w in work if w is not None)
        return f"; about {duration(known)} of work left" if work and None not in work else "; nobody works on it"
    left = until_all_is_done(runs)
    return "" if left is None else f"; done in about {duration(left)}, {_clock(now, left)}"


def _clock(now: float, left: float) -> str:
    at, today = time.localtime(now + left), time.localtime(now)
    return time.strftime("at %H:%M" if at[:3] == today[:3] else "on %a %d %b, %H:%M", at)


def cells(run: Watched) -> list[str]:
    share = f" {run.step / run.steps:4.0%}" if run.steps else ""
    of = f"/{run.steps:,}" if run.steps else ""
    scores = [m.text(run.scores[m.key]) if m.key in run.scores else "" for m in metrics.headline()]
    return [
        run.state,
        f"{run.step:,}{of}{share}",
        f"{run.speed:,.0f}/s" if run.speed is not None else "",
        duration(run.left) if run.left is not None else "",
        *scores,
        f"{run.worker}, {GONE}" if run.worker and run.state == GONE else run.worker,
    ]


def table(found: Mapping[Path, Sequence[Watched]], now: float, columns: int, rows: int, colours: bool) -> list[str]:
    """The lines of the table, sweep by sweep. If rows are few, running and failed runs are shown first.

    found    runs by their sweep's folder
    now      time, in seconds
    columns  of the terminal, which no line exceeds
    rows     of the terminal
    colours  whether lines are coloured
    """
    head = ("state", "step", "speed", "left", *(m.name for m in metrics.headline()), "by")
    left = (0, len(head) - 1)  # columns that are aligned on the left
    runs = [run for own in found.values() for run in own]
    room = max(LEAST, rows - 3 - len(found) - sum(bool(run.why) for run in runs))
    shown = {id(run): [fit(cell, MOST) for cell in cells(run)] for run in sorted(runs, key=_rank)[:room]}
    widths = [max(map(terminal.width, own)) if any(own) else 0 for own in zip(*shown.values(), strict=True)]
    widths = [
        max(w, len(title)) if w else 0 for w, title in zip(widths, head, strict=True)
    ]  # no column where every cell is empty
    names = max(LEAST, columns - sum(w + len(GAP) for w in widths))

    def line(run: str, row: Sequence[str], style: str) -> str:
        rest = [pad(cell, w, k not in left) for k, (cell, w) in enumerate(zip(row, widths, strict=True)) if w]
        return paint(GAP.join([pad(shorten(run, names), longest), *rest]).rstrip(), style)

    def paint(text: str, style: str = "") -> str:
        return styled(fit(text, columns), style if colours else "")

    longest = max(terminal.width(shorten(run.name, names)) for run in runs if id(run) in shown)
    out = [line("run", head, "bold")]
    for folder, own in found.items():
        out.append(paint(f"{folder}: {counted(own)}{outlook(own, now)}", "bold"))
        for run in own:
            if id(run) in shown:
                out.append(line(run.name, shown[id(run)], STYLES.get(run.state, "yellow" if run.waits else "")))
                out += [paint(f"    {run.why}")] if run.why else []
    hidden = [run for run in runs if id(run) not in shown]
    out += [paint(f"not shown: {counted(hidden)}")] if hidden else []
    out += [paint(f"in all {counted(runs)}{_last(found, now)}")] if len(found) > 1 else []
    return out


def _rank(run: Watched) -> int:
    return next(k for k, is_so in enumerate((run.at_work, run.state in TROUBLES, run.waits, True)) if is_so)


def _last(found: Mapping[Path, Sequence[Watched]], now: float) -> str:
    """When the last of several sweeps will be done, if each has a worker."""
    open_ones = [own for own in found.values() if any(run.at_work or run.waits for run in own)]
    ends = [until_all_is_done(own) for own in open_ones]
    if not ends or None in ends:
        return ""
    left = max(end for end in ends if end is not None)
    return f"; all done in about {duration(left)}, {_clock(now, left)}"


def look(results: Path) -> list[str]:
    now = time.time()
    found = sweeps(
        results, clock(results, now - CLOCKS)
    )  # without a clock, report a dead worker late rather than a live one as lost
    if not found:
        return [printable(f"{results}: no runs in it yet")]
    columns, rows = terminal.size() if terminal.is_terminal() else (UNLIMITED, UNLIMITED)
    return table(found, now, columns, rows, terminal.colourful())


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.sweep.status", __doc__)
    parser.add_argument(
        "results", type=Path, nargs="?", default=Path("results"), help="folder of all sweeps, of one, or of a run"
    )
    parser.add_argument(
        "--watch", type=seconds, nargs="?", const=EVERY, metavar="SECONDS", help=f"update continuously ({EVERY:g} s)"
    )
    options = parser.parse_args(arguments)
    if not options.results.is_dir():
        parser.error(printable(f"{options.results}: no such folder; `make sweep DESIGN=clip_flow` makes results"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # characters that the terminal's encoding lacks
    try:
        if options.watch:
            terminal.again_and_again(lambda: look(options.results), options.watch)
        else:
            print("\n".join(look(options.results)))
            sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
