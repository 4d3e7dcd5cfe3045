"""One worker of a sweep: it trains the runs that no other worker has, and those whose worker died, until none is left.

Any number of workers share a results folder; who works on what stands in the runs' folders (headtohead.records.leases).
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
REPORTING = 60  # seconds that a report of another worker's is waited for
POLL = 5.0  # seconds between looks at runs that others work on


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
            told = ", ".join(f"{name} ({who})" for name, who in held.items())
            if told != waited:
                say(f"waiting for runs that others work on: {told}; Ctrl-C leaves them to it")
                waited = told
            time.sleep(POLL)

    def _done(self, name: str, config: RunConfig, began: float) -> int | None:
        """A run's exit code where nothing is left to do: 0 when it is finished, 1 when another worker failed at it
        since this one began, 2 when its folder holds another configuration, which is left as it is; else None."""
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
        """Train one run; its exit code, or None when another worker has it. Errors are printed, not raised."""
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
        with contextlib.suppress(json_files.RecordError, OSError):  # a report can be made later, the run is what counts
            self._report()
        return 0

    def _report(self) -> None:
        """Make the report anew, one worker at a time."""
        from ablations.report import build  # draws figures

        for _ in range(REPORTING):
            try:
                with leases.acquire(self.folder / ".report"):
                    say(f"{build.make(self.folder)} holds the comparison so far")
                return
            except leases.Taken:
                time.sleep(1)

    def _launched(self, config: RunConfig, folder: Path) -> int | None:
        """Start the processes of a run; its exit code, or None when it was put into a queue.

        The first of those processes claims the run; until then another worker may have it, whose files stay untouched.
        """
        if not (folder / layout.CONFIG).exists():  # what is there says the same
            folder.mkdir(parents=True, exist_ok=True)
            patiently(lambda: json_files.write(folder / layout.CONFIG, config.record()), folder, say)
        words = [str(folder), "--cache", str(self.cache), *(["--device", self.device] if self.device else [])]
        words += ["--log", *self.log] if self.log else []
        if self.launch.by == "slurm":
            job = self.launch.submit(folder, f"{folder.parent.name}/{folder.name}", RUN, words)
            with contextlib.suppress(leases.Taken):  # it has begun already
                recorder.Recorder(folder).status("queued", job=job)
            say(f"{folder.name}: job {job}")
            return None
        return self.launch.run(RUN, words)

    def _ended(self, folder: Path, reason: str, code: int) -> int | None:
        """Record why a run failed, where its process ended before it could; its exit code.

        None when another worker has the run or has finished it: torchrun exits with 1 whatever its processes did.
        """
        with contextlib.suppress(OSError, json_files.RecordError):  # the disk itself may be what failed
            who, told = leases.holder(folder), _status(folder)
            if code == leases.TAKEN or (who and who.alive) or told.get("state") == "finished":
                return None
            if told.get("state") == "failed":
                reason = told.get("reason", reason)
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
