"""By whom a process was started: only a launcher's own word counts, not where a command happens to be typed."""

from __future__ import annotations

import pytest

from headtohead.training.devices import launched

# What SLURM 22.05 tells a job's script, and, beyond that, each task of a step.
SCRIPT = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "wrap", "SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2",
          "SLURM_NNODES": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}  # fmt: skip
STEP = {**SCRIPT, "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2"}
ELASTIC = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}


@pytest.mark.parametrize(
    ("told", "who", "processes"),
    [
        ({}, "LightningEnvironment", (1, 1)),
        (SCRIPT, "LightningEnvironment", (1, 1)),  # `make sweep` in a job's script: nobody else will come
        ({**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}, "LightningEnvironment", (1, 1)),
        (STEP, "SLURMEnvironment", (4, 2)),
        ({**SCRIPT, **ELASTIC}, "TorchElasticEnvironment", (8, 4)),
    ],
    ids=["here", "in a script", "srun of one", "a step", "torchrun in a job"],
)
def test_only_a_launcher_makes_several(
    told: dict[str, str], who: str, processes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {*STEP, *ELASTIC}:
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    environment, *counted = launched()
    assert (type(environment).__name__, tuple(counted)) == (who, processes)
