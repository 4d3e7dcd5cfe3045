"""How fast the parts are, each in a process of its own, as JSON under results/bench."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablations.bench import commands, paper_scale, parts
from ablations.bench.parts import GROUPS, PARTS
from headtohead.utils import compute, processes
from headtohead.utils.cli import Parser, seconds
from headtohead.utils.processes import isolated

COMMANDS, FRECHET, PAPER, PAGES = "commands", "frechet", "paper", "pages"
PAGED = ("clip_flow: training step", "clip_mse: training step", "clip_flow: prompts to pictures")
DIMENSIONS, REFERENCE = 2048, 30_000  # Inception's, and MJHQ-30k's pictures
SAMPLES = (1000, 5000)
TURNS = 2
HEADS = {
    COMMANDS: "  seconds  peak MB",
    FRECHET: "  seconds     sqrtm     faster",
    PAGES: "huge /s   small /s     faster",
    PAPER: "pictures/s   TFLOP/s  of peak  peak MB",
}


def measure(name: str, device: str, lasting: float) -> dict[str, Any]:
    """Rounds of one batch each until the time is up; the median round is the rate."""
    with torch.no_grad():
        work, pictures = PARTS[name](device)
        took = parts.rounds(work, device, lasting)
    low, middle, high = np.quantile(took, (0.1, 0.5, 0.9))
    rates = {"pictures/s": pictures / middle, "10 % to 90 %": [pictures / high, pictures / low]}
    return {"part": name, "batch": pictures, "rounds": len(took), **rates, "peak MB": compute.peak_mb(device)}


def pages(name: str, device: str, lasting: float) -> dict[str, Any]:
    """A part in huge pages, as commands start their work, against the same in small ones, in turns of one run."""
    rates: dict[str, list[float]] = {"huge": [], "small": []}
    for _ in range(TURNS):
        for kind, asked in (("huge", processes.PAGES[1]), ("small", "")):
            os.environ[processes.PAGES[0]] = asked
            rates[kind].append(isolated(measure, name, device, lasting)["pictures/s"])
    huge, small = (float(np.median(rates[kind])) for kind in ("huge", "small"))
    return {"part": name, "huge pages/s": huge, "small pages/s": small, "times faster": huge / small, "turns": rates}


def frechet(samples: int) -> dict[str, Any]:
    """A Fréchet distance by the reference's cached root, against clean-fid's way with a matrix square root, in one run.

    Both are given features and the reference's moments; the cached root is made before and timed apart.
    """
    import scipy.linalg

    from headtohead.eval.benchmarks.fid import Reference, moments

    rng = np.random.default_rng(0)
    scale = np.geomspace(1, 1e-3, DIMENSIONS)
    reference = Reference.of(rng.normal(size=(REFERENCE, DIMENSIONS)) * scale)
    features = rng.normal(size=(samples, DIMENSIONS)) * scale[::-1] + 0.01
    start = time.perf_counter()
    reference.root.sum()
    root, rounds = time.perf_counter() - start, list[float]()
    for _ in range(3):
        start = time.perf_counter()
        ours = reference.distance(features)
        rounds.append(time.perf_counter() - start)
    start = time.perf_counter()
    mean, covariance = moments(features)
    shared = scipy.linalg.sqrtm(covariance @ reference.covariance)
    offset = mean - reference.mean
    theirs = float(offset @ offset + np.trace(covariance + reference.covariance - 2 * np.real(shared)))
    slow = time.perf_counter() - start
    own = float(np.median(rounds))
    times = {"seconds": own, "root once": root, "sqrtm": slow, "times faster": slow / own}
    return {"part": f"{samples:,} pictures", **times, "difference": abs(ours - theirs)}


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.bench", __doc__)
    groups = [*GROUPS, PAGES, PAPER, FRECHET, COMMANDS]
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of: {', '.join(groups)}; all when none given")
    parser.add_folder("--out", Path("results/bench"), "folder for the JSON")
    parser.add_device()
    parser.add_argument("--seconds", type=seconds, default=4.0, help="how long each part is measured")
    options = parser.parse_args(arguments)
    if unknown := set(options.groups) - set(groups):
        parser.error(f"unknown group {min(unknown)}; there are {', '.join(groups)}")
    device = options.device or compute.best_device()
    options.out.mkdir(parents=True, exist_ok=True)
    for group in options.groups or groups:
        print(f"\n{group:34} {HEADS.get(group, 'pictures/s      10 % to 90 %  peak MB')}")
        work: dict[str, partial[dict[str, Any]]] = {
            PAGES: {name: partial(pages, name, device, options.seconds) for name in PAGED},
            FRECHET: {f"{n}": partial(frechet, n) for n in SAMPLES},
            PAPER: {
                name: partial(paper_scale.measure, *way, device, options.seconds)
                for name, way in paper_scale.parts().items()
            },
            COMMANDS: {
                f"{name}, {size.name}": partial(commands.measure, name, size)
                for size in commands.SIZES
                for name in commands.COMMANDS
            },
        }.get(group) or {name: partial(measure, name, device, options.seconds) for name in GROUPS[group]}
        rows = []
        for part in work.values():
            rows.append(isolated(part.func, *part.args))
            print(_line(rows[-1]), flush=True)
        path = options.out / f"{group}-{device}.json"
        about = paper_scale.Size.of(device).about if group == PAPER else {}
        path.write_text(json.dumps({**compute.describe(device), **about, "rows": rows}, indent=1) + "\n")
        print(path)
    return 0


def _line(row: dict[str, Any]) -> str:
    if "huge pages/s" in row:
        return f"{row['part']:34} {row['huge pages/s']:7.0f} {row['small pages/s']:10.0f} {row['times faster']:9.1f}x"
    if "sqrtm" in row:
        return f"{row['part']:34} {row['seconds']:9.2f} {row['sqrtm']:9.1f} {row['times faster']:9.0f}x"
    if "seconds" in row:
        return commands.line(row)
    if "share of peak" in row:
        shown = f"{row['part']:34} {row['pictures/s']:10.2f} {row['TFLOP/s']:9.2f} {row['share of peak']:8.0%}"
        return f"{shown} {row['peak MB']:8.0f}"
    low, high = row["10 % to 90 %"]
    return f"{row['part']:34} {row['pictures/s']:10.0f} {low:8.0f} {high:8.0f} {row['peak MB']:8.0f}"
