"""A real SLURM on this machine: one controller and two daemons on loopback, stopped in the end whatever happens.

    python tests/support/one_machine_slurm.py COMMAND ...   runs a command that has sbatch, srun and squeue at hand

Debian's packages are installed where they are not; that needs root and a mirror.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import services
from services import Missing, free_ports

PACKAGES = ("slurm-wlm", "munge")
NODES = ("n1", "n2")
CORES = 2  # that each node says it has; it has a GPU too, for those who count
LOW, HIGH = "low", "high"  # jobs of the second partition take the nodes from those of the first
CONFIG = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
MailProg=/bin/true
SchedulerParameters=batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
{nodes}
PartitionName={low} Nodes=ALL Default=YES PriorityTier=1 State=UP
PartitionName={high} Nodes=ALL PriorityTier=2 State=UP
"""


def install() -> None:
    services.install(PACKAGES, lambda: all(shutil.which(name) for name in ("slurmctld", "slurmd", "munged", "srun")))


@contextmanager
def running() -> Iterator[Path]:
    """The folder of a cluster that answers; `SLURM_CONF` in the environment leads there."""
    if os.geteuid():
        raise Missing("SLURM's daemons want root")
    install()
    with ExitStack() as ends:
        root = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)))
        root.chmod(0o755)
        (root / "slurm.conf").write_text(_config(root))
        (root / "gpu0").touch()
        (root / "gres.conf").write_text(f"Name=gpu File={root}/gpu0\n")
        (root / "munge.key").write_bytes(os.urandom(128))
        (root / "munge.key").chmod(0o400)
        before = os.environ.get("SLURM_CONF")
        ends.callback(lambda: _put("SLURM_CONF", before))
        _put("SLURM_CONF", str(root / "slurm.conf"))
        munge = [f"--{name}={root}/munge.{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        services.daemon(
            ends, root / "munged.log", "munged", "--foreground", "--force", f"--key-file={root}/munge.key", *munge
        )
        wait(lambda: (root / "munge.socket").exists(), 10)
        services.daemon(ends, root / "slurmctld.log", "slurmctld", "-D")
        for node in NODES:
            services.daemon(ends, root / f"{node}.log", "slurmd", "-D", "-N", node)
        ends.callback(_clear)  # before the daemons go, or what runs in steps would outlive them
        wait(lambda: told("sinfo", "-h", "-o", "%T %D").split() == ["idle", "2"], 60)
        yield root


def told(*command: str) -> str:
    """What a command of SLURM's says; nothing while the controller does not answer."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait(until: Callable[[], bool], seconds: float) -> None:
    services.wait(until, seconds, lambda: f"sinfo: {told('sinfo')} squeue: {told('squeue')} {told('sinfo', '-R')}")


def _config(root: Path) -> str:
    host = socket.gethostname().split(".")[0]
    controller, *ports = free_ports(len(NODES) + 1)
    nodes = "\n".join(
        f"NodeName={name} NodeAddr=127.0.0.1 NodeHostname={host} Port={port} CPUs={CORES} Gres=gpu:1 State=UNKNOWN"
        for name, port in zip(NODES, ports, strict=True)
    )
    return CONFIG.format(root=root, host=host, controller=controller, nodes=nodes, low=LOW, high=HIGH)


def _clear() -> None:
    told("scancel", "--me")
    end = time.monotonic() + 40
    while told("squeue", "-h").strip() and time.monotonic() < end:
        time.sleep(0.2)


def _put(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def main() -> int:
    try:
        with running():
            return subprocess.run(sys.argv[1:] or ["sinfo"], check=False).returncode
    except Missing as why:
        print(why, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
