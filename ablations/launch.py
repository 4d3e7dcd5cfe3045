"""How a prepared folder's training is started: here, on all devices of a machine, or as a job of SLURM's.

A run is always `python -m MODULE FOLDER`; launchers differ in how many of them they start.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from headtohead.strict import ConfigError

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
        if self.by != "torchrun":
            return [sys.executable, "-m", module, *arguments]
        meeting = ["--standalone"]
        if self.nodes > 1:
            meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={self.rendezvous}", f"--nnodes={self.nodes}"]
        each = [sys.executable, "-m", "torch.distributed.run", *meeting, f"--nproc-per-node={self.gpus}"]
        return [*each, "-m", module, *arguments]

    def job(self, folder: Path, name: str, module: str, arguments: list[str]) -> str:
        """A job script: put back into the queue when it is preempted, and then going on from its checkpoint."""
        given = [f"#SBATCH {shlex.quote(option)}" for option in self.sbatch]
        inner = " ".join(map(shlex.quote, [sys.executable, "-m", module, *arguments]))
        path = os.pathsep.join(p for p in sys.path if p and "site-packages" not in p and Path(p).is_dir())
        lines = [
            "#!/bin/bash",
            f"#SBATCH --job-name={name}",
            f"#SBATCH --nodes={self.nodes}",
            f"#SBATCH --ntasks-per-node={self.gpus}",
            f"#SBATCH --output={folder.resolve()}/slurm-%j.log",
            "#SBATCH --open-mode=append",
            "#SBATCH --requeue",
            f"#SBATCH --signal=TERM@{WARNING}",
            *given,
            f"cd {shlex.quote(str(Path.cwd()))}",
            f"export PYTHONPATH={shlex.quote(path)}",
            # 143: was asked to go, and has saved. Preemption requeues by itself, a time limit does not.
            f"srun --kill-on-bad-exit=1 {inner}",
            "code=$?",
            '[ "$code" -eq 143 ] && scontrol requeue "$SLURM_JOB_ID"',
            'exit "$code"',
        ]
        return "\n".join(lines) + "\n"

    def submit(self, folder: Path, name: str, module: str, arguments: list[str]) -> str:
        """The number of the job."""
        script = folder / JOB
        script.write_text(self.job(folder, name, module, arguments))
        done = subprocess.run(["sbatch", "--parsable", str(script)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"sbatch: {' '.join(done.stderr.split())[:300]}")
        return done.stdout.strip().split(";")[0]

    def run(self, module: str, arguments: list[str]) -> int:
        """Wait for the processes; asked to end, ask them, so that they save."""
        process = subprocess.Popen(self.command(module, arguments), env={**os.environ, "PYTHONUNBUFFERED": "1"})
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
