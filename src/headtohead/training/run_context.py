"""What one process of a training knows of its run: folder, lease, stop signals, and how records are written."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headtohead.records.leases import Lease, acquire
from headtohead.records.recorder import Recorder
from headtohead.training import devices
from headtohead.training.callbacks.cores import counted
from headtohead.utils import cli
from headtohead.utils.errors import Stopped
from headtohead.utils.files import patiently
from headtohead.utils.processes import StopSignals


@dataclass
class RunContext:
    """One rank of a training in a run's folder.

    folder   the run's record
    device   cpu or cuda
    say      prints a line; nothing on ranks above 0
    signals  requests to stop
    lease    on the folder, held by rank 0; None on other ranks, which write nothing
    """

    folder: Path
    device: str
    say: Callable[[str], None]
    signals: StopSignals
    lease: Lease | None
    seconds_saving: float = 0.0  # spent on states and records

    @property
    def recorder(self) -> Recorder:
        return Recorder(self.folder, self.lease)

    def write(self, work: Callable[[], None]) -> None:
        """Call a function that writes into the folder, if the lease is still held; repeat it while the disk is full."""
        with self.saving():
            patiently(work, self.folder, self.say, self.waiting)

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Check the lease, then time what the block writes."""
        began = time.monotonic()
        if self.lease:
            self.lease.check()
        yield
        self.seconds_saving += time.monotonic() - began

    def waiting(self, now: bool) -> None:
        """Mark the run as paused (`now`) or running; stop if a signal requested it while the disk is full."""
        if self.lease:
            with contextlib.suppress(OSError):
                self.recorder.status("paused" if now else "running", **({"reason": "the disk is full"} if now else {}))
        if self.signals.code:
            raise Stopped(self.signals.code)


@contextlib.contextmanager
def opened(folder: Path, device: str, say: Callable[[str], None]) -> Iterator[RunContext]:
    """Handle stop signals, count this training among those on the machine and, on rank 0, acquire the lease.

    folder  the run's record
    device  cpu or cuda
    say     prints a line
    """
    with StopSignals() as signals, counted():
        if devices.rank():
            yield RunContext(folder, device, cli.quiet, signals, None)
        else:  # signals stop the wait for disk space at once
            with patiently(lambda: acquire(folder), folder, say) as lease:
                yield RunContext(folder, device, say, signals, lease)
