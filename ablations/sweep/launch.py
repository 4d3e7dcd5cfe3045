"""Start the training of a run's folder: as one process, as one per GPU (torchrun), or as a SLURM job.

Each process runs `python -m MODULE FOLDER`; launchers differ in how many of them they start.
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
from headtohead.utils.processes import forwarding

LAUNCHERS = ("local", "torchrun", "slurm")
JOB = "job.sh"
WARNING = 120  # seconds before its time limit at which a job receives SIGTERM, to save and end


@dataclass(frozen=True)
class Launch:
    """How a training's processes are started."""

    by: str = "local"  # one of LAUNCHERS
    nodes: int = 1
    gpus: int = 1  # processes on a node
    rendezvous: str = ""  # HOST:PORT of the first node, when torchrun spans several
    sbatch: tuple[str, ...] = ()  # options of sbatch, such as --partition=h100

    @property
    def devices(self) -> int:
        return self.nodes * self.gpus

    def check(self) -> None:
        """Refuse what this machine cannot do."""
        if self.by == "slurm" and shutil.which("sbatch") is None:
            raise ConfigError("LAUNCH=slurm: there is no sbatch on this machine")
        if self.by == "torchrun" and self.nodes > 1 and not self.rendezvous:
            raise ConfigError("NODES: torchrun on several needs RENDEZVOUS=HOST:PORT, and this command on each of them")
        if self.by == "local" and self.devices > 1:
            raise ConfigError(f"LAUNCH=local: trains on one device; LAUNCH=torchrun trains on {self.gpus}")

    def command(self, module: str, arguments: list[str]) -> list[str]:
        """The command that starts all processes on this machine.

        module     to run
        arguments  of the module
        """
        arguments = [*arguments, *plugins.arguments()]
        if self.by != "torchrun":
            return [sys.executable, "-m", module, *arguments]
        meeting = ["--standalone"]
        if self.nodes > 1:
            meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={self.rendezvous}", f"--nnodes={self.nodes}"]
        each = [sys.executable, "-m", "torch.distributed.run", *meeting, f"--nproc-per-node={self.gpus}"]
        return [*each, "-m", module, *arguments]

    def job(self, folder: Path, name: str, module: str, arguments: list[str], gpus: bool = False) -> str:
        """The script of a SLURM job that is requeued after preemption and resumes from its checkpoint.

        folder     of the run; SLURM's log goes there
        name       of the job
        module     to run
        arguments  of the module
        gpus       request GPUs from SLURM
        """
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
            # The script runs on the first node; the name that SLURM has for it may not resolve.
            'export MASTER_ADDR="$(hostname)"',
            # Since SLURM 22.05, srun does not inherit it from the job.
            '[ -n "$SLURM_CPUS_PER_TASK" ] && export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"',
            # 143: saved after SIGTERM. SLURM requeues after preemption, but not after a time limit.
            f"srun --kill-on-bad-exit=1 {inner}",
            "code=$?",
            '[ "$code" -eq 143 ] && scontrol requeue "$SLURM_JOB_ID"',
            'exit "$code"',
        ]
        return "\n".join(lines) + "\n"

    def _names_gpus(self) -> bool:
        return any(option.startswith(("--gpus", "--gres")) for option in self.sbatch)

    def submit(self, folder: Path, name: str, module: str, arguments: list[str]) -> str:
        """Submit a job and return its number, or that of the folder's job if one is queued; arguments as of `job`."""
        script = (folder / JOB).resolve()
        queue = [line.split(maxsplit=1) for line in _query("squeue", "--me", "--format=%A %o").splitlines()]
        if queued := [number for number, command in queue if command == str(script)]:
            return queued[0]
        gpus = "gpu" in _query("sinfo", "--format=%G")  # SLURM then gives a job only those that it requests
        script.write_text(self.job(folder, name, module, arguments, gpus))
        return _output("sbatch", "--parsable", str(script)).strip().split(";")[0]

    def run(self, module: str, arguments: list[str]) -> int:
        """Start the processes of a training, wait for them and return their exit code.

        Signals to stop are forwarded; once the processes have saved and ended, `Stopped` is raised.

        module     to run
        arguments  of the module
        """
        process = subprocess.Popen(self.command(module, arguments), env={**os.environ, "PYTHONUNBUFFERED": "1"})
        with forwarding(process.terminate, process.kill) as request:
            code = process.wait()
        if request.code:
            raise Stopped(request.code)
        return code


def _query(command: str, *options: str) -> str:
    return _output(command, "--noheader", *options)


def _output(*command: str) -> str:
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
