"""How a prepared folder's training is started: here, on all devices of a machine, or as a job of SLURM's.

A run is always `python -m MODULE FOLDER`; launchers differ in how many of them they start.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from headtohead.config.parsing import ConfigError
from headtohead.utils import plugins
from headtohead.utils.cli import Parser, positive
from headtohead.utils.errors import Stopped
from headtohead.utils.processes import passed_on

LAUNCHERS = ("local", "torchrun", "slurm")
JOB = "job.sh"
WARNING = 120  # seconds before a time limit at which a job is asked to save and go


@dataclass(frozen=True)
class Launch:
    """How many processes, where; `gpus` are those of one node."""

    by: str = "local"
    nodes: int = 1
    gpus: int = 1
    rendezvous: str = ""  # HOST:PORT of the first node, when torchrun spans several
    sbatch: tuple[str, ...] = ()  # options of sbatch, such as --partition=h100

    @property
    def devices(self) -> int:
        return self.nodes * self.gpus

    def check(self) -> None:
        """Before anything is spent: can this machine do it?"""
        if self.by == "slurm" and shutil.which("sbatch") is None:
            raise ConfigError("LAUNCH=slurm: there is no sbatch on this machine")
        if self.by == "torchrun" and self.nodes > 1 and not self.rendezvous:
            raise ConfigError("NODES: torchrun on several needs RENDEZVOUS=HOST:PORT, and this command on each of them")
        if self.by == "local" and self.devices > 1:
            raise ConfigError(f"LAUNCH=local: trains on one device; LAUNCH=torchrun trains on {self.gpus}")

    def command(self, module: str, arguments: list[str]) -> list[str]:
        arguments = [*arguments, *plugins.arguments()]
        if self.by != "torchrun":
            return [sys.executable, "-m", module, *arguments]
        meeting = ["--standalone"]
        if self.nodes > 1:
            meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={self.rendezvous}", f"--nnodes={self.nodes}"]
        each = [sys.executable, "-m", "torch.distributed.run", *meeting, f"--nproc-per-node={self.gpus}"]
        return [*each, "-m", module, *arguments]

    def job(self, folder: Path, name: str, module: str, arguments: list[str], gpus: bool = False) -> str:
        """A job script: put back into the queue when it is preempted, and then going on from its checkpoint."""
        log = str(folder.resolve()).replace("%", "%%")
        options = [
            f"--job-name={name}",
            f"--nodes={self.nodes}",
            f"--ntasks-per-node={self.gpus}",
            f"--output={log}/slurm-%j.log",
            "--open-mode=append",
            "--requeue",
            f"--signal=TERM@{WARNING}",
            *([f"--gpus-per-node={self.gpus}"] if gpus and not self._names_gpus() else []),
            *self.sbatch,
        ]
        inner = " ".join(map(shlex.quote, [sys.executable, "-m", module, *arguments, *plugins.arguments()]))
        path = os.pathsep.join(p for p in sys.path if p and "site-packages" not in p and Path(p).is_dir())
        lines = [
            "#!/bin/bash",
            *(f"#SBATCH {shlex.quote(option)}" for option in options),
            f"cd {shlex.quote(str(Path.cwd()))}",
            f"export PYTHONPATH={shlex.quote(path)}",
            # This script runs on the first node, whose name among SLURM's need not resolve.
            'export MASTER_ADDR="$(hostname)"',
            # Since 22.05 srun does not take it over from the job.
            '[ -n "$SLURM_CPUS_PER_TASK" ] && export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"',
            # 143: was asked to go, and has saved. Preemption requeues by itself, a time limit does not.
            f"srun --kill-on-bad-exit=1 {inner}",
            "code=$?",
            '[ "$code" -eq 143 ] && scontrol requeue "$SLURM_JOB_ID"',
            'exit "$code"',
        ]
        return "\n".join(lines) + "\n"

    def _names_gpus(self) -> bool:
        return any(option.startswith(("--gpus", "--gres")) for option in self.sbatch)

    def submit(self, folder: Path, name: str, module: str, arguments: list[str]) -> str:
        """The number of the folder's job: of the one in the queue, when there is one; two would write one record."""
        script = (folder / JOB).resolve()
        queue = [line.split(maxsplit=1) for line in _asked("squeue", "--me", "--format=%A %o").splitlines()]
        if waiting := [number for number, command in queue if command == str(script)]:
            return waiting[0]
        counted = "gpu" in _asked("sinfo", "--format=%G")  # such a cluster gives none to a job that asks for none
        script.write_text(self.job(folder, name, module, arguments, counted))
        return _told("sbatch", "--parsable", str(script)).strip().split(";")[0]

    def run(self, module: str, arguments: list[str]) -> int:
        """Start the processes of a training, wait for them and return their exit code. A request to end is passed on to
        them, so that they save, and raises `Stopped` once they have ended."""
        process = subprocess.Popen(self.command(module, arguments), env={**os.environ, "PYTHONUNBUFFERED": "1"})
        with passed_on(process.terminate, process.kill) as request:
            code = process.wait()
        if request.code:
            raise Stopped(request.code)
        return code


def _asked(command: str, *options: str) -> str:
    return _told(command, "--noheader", *options)


def _told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{command[0]}: {' '.join(done.stderr.split())[:300]}")
    return done.stdout


def add_options(parser: Parser) -> None:
    parser.add_argument("--launch", choices=LAUNCHERS, default="local", help="one device, torchrun, or jobs of SLURM")
    parser.add_argument("--nodes", type=positive, default=1, help="machines that a training takes")
    parser.add_argument("--gpus", type=positive, help="processes a machine; its GPUs when not given")
    parser.add_argument("--rendezvous", default="", metavar="HOST:PORT", help="of the first machine, for torchrun")
    parser.add_argument("--sbatch", nargs="+", default=[], metavar="OPTION", help="such as partition=h100 time=8:00:00")


def from_options(options: argparse.Namespace) -> Launch:
    gpus = options.gpus or (_gpus() if options.launch == "torchrun" else 1)
    sbatch = tuple(f"--{option.lstrip('-')}" for option in options.sbatch)
    out = Launch(options.launch, options.nodes, gpus, options.rendezvous, sbatch)
    out.check()
    return out


def _gpus() -> int:
    import torch

    return max(1, torch.cuda.device_count())
