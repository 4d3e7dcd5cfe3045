"""Commands that read records, from the shell's point of view: start-up, reading, drawing, writing, and memory."""

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
from headtohead.records.recorder import Recorder
from headtohead.synthetic.prompts.short_prompts import TASKS
from headtohead.utils import compute

COMMANDS = ("plot", "report")
ROUNDS = 5
METRICS = (
    *(f"geneval/{task}" for task in (*TASKS, "overall", "seen", "unseen")),
    *(f"dpg/{kind}" for kind in ("attribute", "entity", "global", "other", "relation", "overall", "seen", "unseen")),
    *("fid", *(f"diversity/{way}" for way in ("fixed", "fixed_all", "drawn", "drawn_all", "renders"))),
    *(f"loss/t={t}" for t in (0.1, 0.3, 0.5, 0.7, 0.9)),
)
SHOWN = {"prompts": 12, "often": 4}  # prompts in a grid
GRID = (768, 64)  # pixels
# A process that began as this one's copy would be called as large as this one is: a small one starts the command.
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
    """How many records a command is timed on."""

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
    """Records as a sweep leaves them, with pictures; ten thousand points are not flushed to the disk one by one."""
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


def measure(name: str, size: Size) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        made(Path(place), size)
        words = [sys.executable, "-c", WATCH, sys.executable, "-m", f"ablations.{name}", place]
        rounds = [json.loads(subprocess.run(words, check=True, capture_output=True).stdout) for _ in range(ROUNDS)]
    took, sizes = zip(*rounds, strict=True)
    about = {"part": f"{name}, {size.name}", **asdict(size), "rounds": ROUNDS}
    return {**about, "seconds": float(np.median(took)), "least": min(took), "peak MB": compute.megabytes(max(sizes))}


def line(row: dict[str, Any]) -> str:
    return f"{row['part']:34} {row['seconds']:9.2f} {row['peak MB']:8.0f}"
