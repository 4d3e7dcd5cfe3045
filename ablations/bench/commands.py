"""Time and memory of commands that read records, from start-up to the last file written."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headtohead.config.design import DESIGNS, variant
from headtohead.config.presets import configure
from headtohead.records.layout import CURVE, PROMPTS
from headtohead.records.metrics import GAIN, GAIN_NONE, GAIN_SHARE
from headtohead.records.recorder import Recorder
from headtohead.synthetic.prompts.short_prompts import TASKS
from headtohead.utils import compute

COMMANDS = {  # Python's arguments, before the results folder
    "plot": ("-m", "ablations.plot"),
    "report": ("-m", "ablations.report"),
    "load": ("-c", "import sys, headtohead; headtohead.load(sys.argv[1])"),
}
ROUNDS = 5
METRICS = (
    *(f"geneval/{task}" for task in (*TASKS, "overall", "seen", "unseen")),
    *(f"dpg/{kind}" for kind in ("attribute", "entity", "global", "other", "relation", "overall", "seen", "unseen")),
    *("fid", *(f"diversity/{way}" for way in ("fixed", "fixed_all", "drawn", "drawn_all", "renders"))),
    *(f"{kind}/t={t}" for kind in ("loss", GAIN, GAIN_NONE) for t in (0.1, 0.3, 0.5, 0.7, 0.9)),
    *(GAIN, GAIN_NONE, GAIN_SHARE),
)
SHOWN = {"prompts": 12, "often": 4}  # prompts in a grid
GRID = (768, 64)  # pixels
# Starts the command and reports its time and memory. A fork of this process would count this one's memory as its own.
WATCH = """
import json, os, subprocess, sys, time
began = time.perf_counter()
command = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(command.pid, 0)
print(json.dumps([time.perf_counter() - began, used.ru_maxrss]))
command.returncode = os.waitstatus_to_exitcode(status)
sys.exit(command.returncode)
"""


@dataclass(frozen=True)
class Size:
    """Number of records that a command reads."""

    designs: int
    rates: int  # learning rates of each, as a grid has them
    seeds: int
    points: int

    @property
    def name(self) -> str:
        return f"{self.designs * self.rates * self.seeds} runs x {self.points} points"

    def runs(self) -> Iterator[tuple[str, str, float, int]]:
        """Folder, design, learning rate, seed."""
        for design in list(DESIGNS)[: self.designs]:
            for k in range(self.rates):
                name = variant(design, {"train.lr": (k + 1) / 1000} if self.rates > 1 else {})
                for seed in range(self.seeds):
                    yield f"{name}-s{seed}", design, (k + 1) / 1000, seed


SIZES = (Size(6, 1, 3, 8), Size(5, 8, 5, 50))


def made(folder: Path, size: Size) -> None:
    """Write records of a sweep, with pictures; whole files at once, as ten thousand points would take minutes."""
    rng = np.random.default_rng(0)
    grid = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (*GRID[::-1], 3), np.uint8)).save(grid, "webp", quality=1)
    shown = {kind: [f"prompt {k}" for k in range(prompts)] for kind, prompts in SHOWN.items()}
    for name, design, rate, seed in size.runs():
        run = Recorder(folder / "made" / name)
        run.begin(configure(design, seed=seed, overrides={"train.lr": rate}).record())
        curve, prompts = [], []
        for step in range(100, 100 * size.points + 1, 100):
            spent = {
                "step": step,
                "samples": 64 * step,
                "flops": step * 1e9,
                "seconds": step / 2,
                "flops_total": step * 2e9,
            }
            for metric, value in zip(METRICS, rng.uniform(0.2, 0.8, len(METRICS)).tolist(), strict=True):
                scored = {"metric": metric, "value": value, "ceiling": 1.0, "relative": value, "n": 120}
                curve.append(json.dumps({**spent, **scored, "judge": "made", "mode": "world"}) + "\n")
            prompts.append(json.dumps({"step": step, "exam": "made", "scores": [1.0] * 240, "reasons": {}}) + "\n")
            for kind in SHOWN:
                run.grid(step, kind).write_bytes(grid.getvalue())
        (run.folder / CURVE).write_text("".join(curve))
        (run.folder / PROMPTS).write_text("".join(prompts))
        run.status("finished", shown=shown, steps=100 * size.points, seconds_training=100.0, peak_mb=2000)


def parts() -> dict[str, tuple[str, Size]]:
    return {f"{command}, {size.name}": (command, size) for size in SIZES for command in COMMANDS}


def measure(name: str, device: str, seconds: float) -> dict[str, Any]:
    """Wall time and memory of a command from the shell: the median and the least of ROUNDS.

    name     key of `parts`
    device   unused: commands that read records need none
    seconds  unused: a command runs to its end
    """
    command, size = parts()[name]
    with tempfile.TemporaryDirectory() as folder:
        made(Path(folder), size)
        words = [sys.executable, "-c", WATCH, sys.executable, *COMMANDS[command], folder]
        rounds = [json.loads(subprocess.run(words, check=True, capture_output=True).stdout) for _ in range(ROUNDS)]
    times, sizes = zip(*rounds, strict=True)
    about = {"part": name, **asdict(size), "rounds": ROUNDS}
    return {**about, "seconds": float(np.median(times)), "least": min(times), "peak MB": compute.megabytes(max(sizes))}
