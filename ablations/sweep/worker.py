"""A sweep's worker: train every unfinished run that no other live worker is training.

Any number of workers share a results folder, by leases in the runs' folders (headtohead.records.leases).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablations.sweep.launch import Launch
from ablations.sweep.watch import state_of
from headtohead.config.run_config import RunConfig
from headtohead.records import json_files, layout, leases, metrics, read, recorder
from headtohead.training.callbacks import loggers
from headtohead.utils.cli import duration, say
from headtohead.utils.errors import Diverged, InputError, one_line
from headtohead.utils.files import patiently
from headtohead.utils.processes import Killed, isolated

RUN = "headtohead.training.run"
REPORTING = 60  # seconds to wait while another worker writes the report
POLL = 5.0  # seconds between checks of runs that other workers train


@dataclass(frozen=True)
class Worker:
    """Trains the runs of one sweep.

    folder  the sweep's
    cache   where encoded pictures are kept
    device  cpu or cuda; None takes cuda when there is one
    launch  how the processes of a run are started
    log     loggers by name, beside the run's own record
    """

    folder: Path
    cache: Path
    device: str | None
    launch: Launch
    log: Sequence[str] = ()

    def work(self, runs: dict[str, RunConfig]) -> dict[str, int]:
        """Train runs, given by name, until each is finished or has failed; exit codes by name."""
        codes: dict[str, int] = {}
        began, waited = time.time(), ""
        while True:
            held: dict[str, str] = {}
            for name in [name for name in runs if name not in codes]:
                done = self._done(name, runs[name], began)
                if done is not None:
                    codes[name] = done
                elif (who := leases.holder(self.folder / name)) and who.alive:
                    held[name] = str(who)
                elif (code := self._train(name, runs[name])) is not None:
                    codes[name] = code
                else:
                    held[name] = str(leases.holder(self.folder / name))
            if not held:
                return codes
            waiting = ", ".join(f"{name} ({who})" for name, who in held.items())
            if waiting != waited:
                say(f"waiting for runs that others work on: {waiting}; Ctrl-C leaves them to it")
                waited = waiting
            time.sleep(POLL)

    def _done(self, name: str, config: RunConfig, began: float) -> int | None:
        """The exit code of a run that needs no training: 0 if it is finished, 1 if it failed under another worker since
        this one began, 2 if its folder holds another configuration (left unchanged); None otherwise."""
        folder = self.folder / name
        try:
            if state_of(folder, config) == "finished":
                return 0
            status = folder / layout.STATUS
            if status.exists() and status.stat().st_mtime >= began and _status(folder).get("state") == "failed":
                return 1
        except InputError as error:
            say(f"{folder}: failed: {error}")
            return 2
        return None

    def _train(self, name: str, config: RunConfig) -> int | None:
        """Train one run; its exit code, or None if another worker is training it. Errors are printed, not raised."""
        folder, started = self.folder / name, time.monotonic()
        try:
            if self.launch.by == "local":
                isolated(_fit, config, folder, self.cache, self.device, self.log)
            elif code := self._launched(config, folder):
                return self._ended(folder, "its processes ended with an error", code)
            elif self.launch.by == "slurm":
                return 0
        except leases.Taken:
            return None
        except (InputError, OSError) as error:
            return self._ended(folder, one_line(error), 2)
        except (Diverged, Killed) as error:
            return self._ended(folder, f"{error}", 1)
        except Exception as error:
            return self._ended(folder, f"{type(error).__name__}: {error}", 1)
        last = {line["metric"]: line["value"] for line in read.runs(folder)[0].curve()}
        say(f"{name}: finished in {duration(time.monotonic() - started)}: {metrics.summary(last)}")
        with contextlib.suppress(
            json_files.RecordError, OSError
        ):  # the run is complete; `make report` can write the report later
            self._report()
        return 0

    def _report(self) -> None:
        """Write the sweep's report; one worker at a time."""
        from ablations.report import build  # imports matplotlib, which a worker does not need earlier

        for _ in range(REPORTING):
            try:
                with leases.acquire(self.folder / ".report"):
                    say(f"{build.make(self.folder)} holds the comparison so far")
                return
            except leases.Taken:
                time.sleep(1)

    def _launched(self, config: RunConfig, folder: Path) -> int | None:
        """Start the processes of a run; their exit code, or None for a queued job.

        Rank 0 acquires the lease. Until then another worker may hold it, so existing files are not overwritten.
        """
        if not (folder / layout.CONFIG).exists():  # an existing one was compared before
            folder.mkdir(parents=True, exist_ok=True)
            patiently(lambda: json_files.write(folder / layout.CONFIG, config.record()), folder, say)
        words = [str(folder), "--cache", str(self.cache), *(["--device", self.device] if self.device else [])]
        words += ["--log", *self.log] if self.log else []
        if self.launch.by == "slurm":
            job = self.launch.submit(folder, f"{folder.parent.name}/{folder.name}", RUN, words)
            with contextlib.suppress(leases.Taken):  # the job is running already
                recorder.Recorder(folder).status("queued", job=job)
            say(f"{folder.name}: job {job}")
            return None
        return self.launch.run(RUN, words)

    def _ended(self, folder: Path, reason: str, code: int) -> int | None:
        """Record why a run failed, unless its process did so; the run's exit code.

        None if another worker is training it or has finished it: torchrun exits with 1 also in that case.

        folder  of the run
        reason  one line, for status.json
        code    exit code of the process
        """
        with contextlib.suppress(OSError, json_files.RecordError):  # the disk itself may be what failed
            holder, status = leases.holder(folder), _status(folder)
            if code == leases.TAKEN or (holder and holder.alive) or status.get("state") == "finished":
                return None
            if status.get("state") == "failed":
                reason = status.get("reason", reason)
            else:
                recorder.Recorder(folder).ended("failed", reason)
        say(f"{folder}: failed: {reason}")
        return code


def _status(folder: Path) -> dict[str, Any]:
    """status.json of a run."""
    status = folder / layout.STATUS
    return json_files.read_json(status) if status.exists() else {}


def _fit(config: RunConfig, folder: Path, cache: Path, device: str | None, names: Sequence[str]) -> None:
    say(f"{folder.name}: loading PyTorch and the pretrained models ...")
    from headtohead.training.run import train
    from headtohead.utils import compute

    log = loggers.chosen(names, folder, config)
    train(config, folder, cache, device=device or compute.best_device(), say=say, log=log)
