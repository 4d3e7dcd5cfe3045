"""A sweep whose workers are killed: the same weights and records, no run twice, nothing lost."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from small import SMALL

from headtohead.records.kept_weights import kept
from headtohead.records.read import runs

pytestmark = pytest.mark.slow
SETTINGS = {**SMALL, "train.steps": 120, "evaluation.every": 8, "evaluation.geneval": 12, "evaluation.dpg": 2}
KILLS = 30
SHORTEST, LONGEST = 2.0, 14.0  # seconds that a worker lives; some five pass before the first step


def worker(results: Path, cache: Path, *, seeds: str = "0", designs: Sequence[str] = ("vae_flow", "clip_mse")) -> Any:
    settings = [f"{key}={value}" for key, value in SETTINGS.items()]
    command = [
        "--design",
        *designs,
        "--seeds",
        seeds,
        "--set",
        *settings,
        "--results",
        str(results),
        "--cache",
        str(cache),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "ablations.sweep", *command, "--device", "cpu", "--no-estimate"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finish(*workers: Any) -> list[str]:
    said = [w.communicate(timeout=900)[1] for w in workers]
    assert [w.returncode for w in workers] == [0] * len(workers), said
    return said


def kill(process: Any) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def made(results: Path) -> dict[str, Any]:
    """All that a sweep leaves but times: curves, scores of prompts, weights, pictures."""
    out = {}
    for run in runs(results):
        assert run.state["state"] == "finished"
        lines = [{k: v for k, v in line.items() if k != "seconds"} for line in run.curve()]
        assert len({(line["step"], line["metric"]) for line in lines}) == len(lines)
        weights = hashlib.sha256()
        for path in kept(run.folder).values():
            for name, tensor in sorted(load_file(path).items()):
                weights.update(name.encode() + tensor.numpy().tobytes())
        grids = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (run.folder / "grids").iterdir()}
        out[run.name] = (lines, run.lines("prompts.jsonl"), weights.hexdigest(), grids)
    return out


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, Any]:
    results = tmp_path_factory.mktemp("unbroken")
    finish(worker(results, cache))
    return made(results)


def parts(results: Path) -> set[tuple[str, float]]:
    """States and records that are half written at this moment, or were left so."""
    out = set()
    for path in [*results.glob("*/*/checkpoints/*.part"), *results.glob("*/*/*.part")]:
        with contextlib.suppress(OSError):
            out.add((str(path), path.stat().st_mtime))
    return out


def test_thirty_kills_leave_the_sweep_that_nobody_killed(tmp_path: Path, cache: Path, unbroken: dict[str, Any]) -> None:
    """Every second kill waits for a moment in which something is written; a sweep that gets to its end begins anew."""
    draw, killed, torn, place = random.Random(0), 0, 0, 0
    while killed < KILLS:
        results = tmp_path / f"{place}"
        process, end = worker(results, cache), time.monotonic() + draw.uniform(SHORTEST, LONGEST)
        hunting, before = killed % 2, parts(results)
        while process.poll() is None and time.monotonic() < end + 10 * hunting:
            if hunting and time.monotonic() > end and parts(results) - before:
                break
            time.sleep(0.002 if hunting else 0.05)
        if process.poll() is None:
            kill(process)
            killed += 1
            torn += bool(parts(results) - before)
        else:
            finish(process)
            assert made(results) == unbroken
            place += 1
    print(
        f"{killed} workers were killed, {torn} of them in the middle of a file; {place} sweeps got to their end before"
    )
    finish(worker(tmp_path / f"{place}", cache))
    assert made(tmp_path / f"{place}") == unbroken


def test_three_workers_share_the_runs_and_one_dies(tmp_path: Path, cache: Path) -> None:
    workers = [worker(tmp_path, cache, seeds="0,1", designs=("vae_flow", "vae_mse")) for _ in range(3)]
    while not (claims := list(tmp_path.glob("*/*-s*/claims/0001.json"))):
        time.sleep(0.1)
    owner = json.loads(claims[0].read_text())["pid"]
    (dies,) = [w for w in workers if str(owner) in children(w.pid)]
    time.sleep(6)
    kill(dies)
    finish(*[w for w in workers if w is not dies])
    found = runs(tmp_path)
    assert len(found) == 4
    made(tmp_path)
    taken = sorted(len(list((run.folder / "claims").glob("*.json"))) for run in found)
    assert taken == [1, 1, 1, 2]  # each run by one worker; the dead one's by a second


def children(pid: int) -> list[str]:
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.split()


def test_a_worker_that_is_asked_to_end_saves_within_ten_seconds(tmp_path: Path, cache: Path) -> None:
    process = worker(tmp_path, cache, designs=["vae_flow"])
    while not list(tmp_path.rglob("curve.jsonl")):
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert time.monotonic() - began < 10
    assert "goes on from here" in said
    (run,) = runs(tmp_path)
    assert run.state["state"] == "stopped"
    assert list((run.folder / "checkpoints").glob("*.json"))
