"""python -m ablations.bench: how fast the parts are, each in a process of its own, as JSON under results/bench."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablations.command import Parser, seconds
from headtohead import store
from headtohead.foundations import shipped
from headtohead.world import judge
from headtohead.world.render import render
from headtohead.world.scenes import draw

BATCH = 128
Work = Callable[[], Any]


def _pictures(device: str) -> torch.Tensor:
    return render(draw(0, np.arange(BATCH)), device)


def _draw(device: str) -> Work:
    return lambda: draw(0, np.arange(BATCH))


def _render(device: str) -> Work:
    scenes = draw(0, np.arange(BATCH))
    return lambda: render(scenes, device)


def _judge(device: str) -> Work:
    detector, pictures = judge.load(device), _pictures(device)
    return lambda: detector.detect(pictures)


def _vae_encode(device: str) -> Work:
    vae, pictures = shipped.vae(device), _pictures(device)
    return lambda: vae.encode(pictures)


def _vae_decode(device: str) -> Work:
    vae = shipped.vae(device)
    latents = vae.encode(_pictures(device))
    return lambda: vae.decode(latents)


def _clip_encode(device: str) -> Work:
    tower, pictures = shipped.tower("clip", device), _pictures(device)
    return lambda: tower.encode(pictures)


def _clip_decode(device: str) -> Work:
    decoder, tokens = shipped.clip_decoder("clip", device), shipped.tower("clip", device).encode(_pictures(device))
    return lambda: decoder.decode(tokens)


def _features(device: str) -> Work:
    net, pictures = shipped.feature_net(device), _pictures(device)
    return lambda: net(pictures)


PARTS: dict[str, Callable[[str], Work]] = {
    "draw scenes": _draw,
    "render": _render,
    "judge": _judge,
    "VAE encode": _vae_encode,
    "VAE decode": _vae_decode,
    "CLIP encode": _clip_encode,
    "CLIP decode": _clip_decode,
    "FID features": _features,
}


def _measure(name: str, device: str, seconds: float, answer: Any) -> None:
    """Rounds of one batch each until the time is up; the median round is the rate."""
    with torch.no_grad():
        work, rounds = PARTS[name](device), list[float]()
        work()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(rounds) < 3:
            start = time.perf_counter()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            rounds.append(time.perf_counter() - start)
    low, middle, high = np.quantile(rounds, (0.1, 0.5, 0.9))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {"pictures/s": BATCH / middle, "10 % to 90 %": [BATCH / high, BATCH / low], "peak MB": peak}
    answer.put({"part": name, "batch": BATCH, "rounds": len(rounds), **row})


def machine(device: str) -> dict[str, Any]:
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    return {"device": device, "name": name, "cores": os.cpu_count(), "torch": torch.__version__}


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.bench", __doc__)
    parser.add_folder("--out", Path("results/bench"), "folder for the JSON")
    parser.add_device()
    parser.add_argument("--seconds", type=seconds, default=4.0, help="how long each part is measured")
    options = parser.parse_args(arguments)
    device = options.device or store.best_device()
    spawn, rows = mp.get_context("spawn"), list[dict[str, Any]]()
    print(f"{'part':14} {'pictures/s':>11} {'10 % to 90 %':>17} {'peak MB':>8}")
    for name in PARTS:
        answer: Any = spawn.Queue()
        process = spawn.Process(target=_measure, args=(name, device, options.seconds, answer))
        process.start()
        process.join()
        if process.exitcode:
            print(f"{name}: failed", file=sys.stderr)
            return 1
        row = answer.get()
        rows.append(row)
        low, high = row["10 % to 90 %"]
        print(f"{name:14} {row['pictures/s']:11.0f} {low:8.0f} {high:8.0f} {row['peak MB']:8.0f}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"foundations-{device}.json"
    path.write_text(json.dumps({"machine": machine(device), "rows": rows}, indent=1) + "\n")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
