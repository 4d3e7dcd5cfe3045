"""LAUNCH=slurm on a real SLURM: jobs are asked to go, preempted, resumed, and end as one that was left alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import one_machine_slurm as slurm
import pytest
import torch
from one_machine_slurm import told, wait
from safetensors.torch import load_file
from small import SMALL

from ablations.sweep.launch import Launch
from headtohead.records.kept_weights import kept
from headtohead.records.read import runs

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
STEPS, EVERY = 300, 150
TWO_NODES = Launch("slurm", nodes=2)
# What a step of a job does in place of a training: says where it is, and goes as it is told.
PROBE = """
import json, os, pathlib, sys
e = dict(os.environ)
pathlib.Path(sys.argv[1], f"{e['SLURM_PROCID']}.json").write_text(json.dumps(e))
sys.exit(int(sys.argv[2]) if "SLURM_RESTART_COUNT" not in e else 0)
"""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Path]:
    try:
        with slurm.running() as root:
            yield root
    except slurm.Missing as why:
        pytest.skip(str(why))


def fact(job: str, name: str) -> str:
    """Of what SLURM knows of a job."""
    found = re.search(rf"\b{name}=(\S+)", told("scontrol", "show", "job", job))
    return found[1] if found else ""


def state(job: str) -> str:
    return fact(job, "JobState")


def ended(job: str, log: Path, seconds: float = 240) -> None:
    wait(lambda: state(job) not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"), seconds)
    assert state(job) == "COMPLETED", log.read_text()[-3000:]


def again(job: str, times: int) -> None:
    """SLURM lets a job that went back into the queue wait two minutes; here until nothing of it is left."""
    wait(lambda: (fact(job, "Restarts"), fact(job, "Reason")) == (str(times), "BeginTime"), 120)
    wait(lambda: f"slurmstepd: [{job}." not in told("ps", "-eo", "args"), 60)
    told("scontrol", "update", f"JobId={job}", "StartTime=now")
    wait(lambda: state(job) != "PENDING", 90)


def sweep(place: Path) -> str:
    """The job's number, from the command that a user types."""
    place.mkdir(exist_ok=True)
    settings = {**SMALL, "train.steps": STEPS, "evaluation.every": EVERY}
    done = subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), f"PY={sys.executable}", "READY=", "sweep", "DESIGN=clip_flow",
         "LAUNCH=slurm", "NODES=2", "GPUS=1", "SET=" + " ".join(f"{key}={value}" for key, value in settings.items())],
        cwd=place, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = re.search(r"clip_flow-s0: job (\d+)", done.stderr)
    assert found, done.stderr
    return found[1]


def folder_of(place: Path) -> Path:
    return next((place / "results").glob("micro-*/clip_flow-s0"))


def last_step(log: Path) -> int:
    """Of the progress bar, since the job began or went on."""
    text = log.read_text() if log.exists() else ""
    steps = re.findall(rf"(\d+)/(?:{STEPS}|\?) ", text.rpartition("going on at step")[2])
    return int(steps[-1]) if steps else 0


def went_on(log: Path) -> list[int]:
    return [int(step) for step in re.findall(r"going on at step (\d+)", log.read_text())] if log.exists() else []


def test_a_job_that_was_interrupted_ends_with_the_weights_of_one_left_alone(tmp_path: Path) -> None:
    alone = sweep(tmp_path / "alone")
    whole = folder_of(tmp_path / "alone")
    ended(alone, whole / f"slurm-{alone}.log")

    job = sweep(tmp_path / "cut twice")
    cut = folder_of(tmp_path / "cut twice")
    log = cut / f"slurm-{job}.log"
    wait(lambda: last_step(log) > 0, 120)
    assert TWO_NODES.submit(cut, "again", "headtohead.training.run", [str(cut)]) == job  # no second one writes there
    assert len(told("squeue", "-h").splitlines()) == 1
    told("scancel", "--signal=TERM", job)  # as a time limit does: to the steps, not to the script
    again(job, 1)
    wait(lambda: len(went_on(log)) == 1 and last_step(log) > went_on(log)[0], 120)
    urgent = told(
        "sbatch", "--parsable", f"--partition={slurm.HIGH}", "--nodes=2", "--exclusive", "--output=/dev/null",
        "--wrap=sleep 1",
    ).strip()  # fmt: skip
    wait(lambda: state(urgent) == "COMPLETED", 90)
    again(job, 2)
    ended(job, log)

    assert fact(job, "Restarts") == "2"
    first, second = went_on(log)
    assert 0 < first < second < STEPS
    assert first % EVERY  # saved when they were asked, not at a point before
    assert second % EVERY
    one, other = (runs(folder)[0] for folder in (whole, cut))
    assert (one.state["state"], one.state["processes"]) == (other.state["state"], other.state["processes"])
    assert (other.state["state"], other.state["processes"]) == ("finished", 2)
    numbers = [[(line["step"], line["metric"], line["value"]) for line in run.curve()] for run in (one, other)]
    assert numbers[0] == numbers[1]
    for step, path in kept(whole).items():
        mine, theirs = load_file(path), load_file(kept(cut)[step])
        assert all(torch.equal(mine[name], theirs[name]) for name in mine | theirs)


def probed(place: Path, monkeypatch: pytest.MonkeyPatch, launch: Launch, code: int) -> str:
    place.mkdir()
    (place / "probe.py").write_text(PROBE)
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    return launch.submit(place, "probe", "probe", [str(place), str(code)])


def test_a_jobs_processes_know_of_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "100 % sure"
    job = probed(place, monkeypatch, Launch("slurm", nodes=2, sbatch=(f"--cpus-per-task={slurm.CORES}",)), 0)
    ended(job, place / f"slurm-{job}.log")
    told_each = [json.loads((place / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert [e["SLURM_NODEID"] for e in told_each] == ["0", "1"]
    assert {e["SLURM_STEP_NUM_TASKS"] for e in told_each} == {e["SLURM_STEP_NUM_NODES"] for e in told_each} == {"2"}
    assert {e["SLURM_CPUS_PER_TASK"] for e in told_each} == {str(slurm.CORES)}
    assert len({e["MASTER_ADDR"] for e in told_each}) == 1
    assert "gpu:1" in fact(job, "TresPerNode")


def test_what_has_saved_is_put_back_and_what_fails_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = probed(tmp_path / "saved", monkeypatch, TWO_NODES, 143)
    again(saved, 1)
    ended(saved, tmp_path / "saved" / f"slurm-{saved}.log")
    assert fact(saved, "Restarts") == "1"
    broken = probed(tmp_path / "broken", monkeypatch, TWO_NODES, 3)
    wait(lambda: state(broken) == "FAILED", 60)
    assert (fact(broken, "ExitCode"), fact(broken, "Restarts")) == ("3:0", "0")
