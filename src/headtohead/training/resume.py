"""Training in a run's folder, for every stage: save states, stop on request, resume from the last state."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor

from headtohead.config.run_config import ComputeConfig, TrainConfig
from headtohead.data.order import Portion
from headtohead.records.leases import Lease, acquire
from headtohead.records.recorder import Recorder
from headtohead.training import checkpoints, devices
from headtohead.training.callbacks import loggers
from headtohead.training.callbacks.cores import SharedCores, counted
from headtohead.training.callbacks.progress import bar
from headtohead.training.callbacks.stop import Stopping
from headtohead.training.checkpoints import Checkpoints, State
from headtohead.training.lightning_module import Learner
from headtohead.utils import cli
from headtohead.utils.errors import InputError, Stopped
from headtohead.utils.files import patiently
from headtohead.utils.processes import Asked


class Training:
    """A training on one rank. Rank 0 holds the lease on the folder, writes records and prints."""

    def __init__(
        self,
        folder: Path,
        train: TrainConfig,
        compute: ComputeConfig,
        device: str,
        *,
        asked: Asked,
        lease: Lease | None,
        say: Callable[[str], None],
        watch: Iterable[L.Callback] = (),
    ) -> None:
        self.folder, self.steps, self.lease, self.recorder = folder, train.steps, lease, Recorder(folder, lease)
        self.say = say if lease else cli.quiet
        self.keeping = 0.0  # seconds that went into states and records
        self.states = Checkpoints(folder, self.say, self._waiting)
        self.asked, self.stopping = asked, Stopping(asked, self.save)
        self.trainer = devices.trainer(
            compute,
            device,
            steps=train.steps,
            batch=train.batch,
            callbacks=[self.stopping, *([SharedCores()] if device == "cpu" else []), *watch, bar()],
            checkpoints=self.states,
        )
        self.device = str(self.trainer.strategy.root_device)
        rank, world = self.trainer.global_rank, self.trainer.world_size
        self.portion = Portion.of(train.batch, compute.micro_batch, rank, world)

    def write(self, work: Callable[[], None]) -> None:
        """Do work that writes into the folder, while the lease is held; wait while the disk is full."""
        with self._keeping():
            if self.lease:
                self.lease.check()
            patiently(work, self.folder, self.say, self._waiting)

    def save(self, trainer: L.Trainer) -> None:
        """Save a state; a collective of all ranks."""
        with self._keeping():
            if self.lease:
                self.lease.check()
            trainer.save_checkpoint(self.states.path(trainer.global_step))

    @contextlib.contextmanager
    def _keeping(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.keeping += time.monotonic() - began

    def fit(
        self,
        module: Learner[Any],
        batches: Callable[[int], Iterable[Any]],
        callback: L.Callback,
        belongs: Mapping[str, Any],
        read: Callable[[dict[str, Any]], dict[str, Any]],
        log: loggers.Loggers = loggers.none,
        apart: bool = False,
    ) -> None:
        """From the last whole state on. `belongs`: what makes it this run; `read` does the same of what was saved.

        Points that others measure `apart` stay on record: the weights they were measured on will be the same again.
        """
        self.states.belongs = dict(belongs)
        self.trainer.callbacks.insert(0, callback)  # type: ignore[attr-defined]
        state = self._state(read) if self.lease else None
        step, path = self.trainer.strategy.broadcast((state.step, str(state.path)) if state else (0, None))
        if self.lease and not apart:
            self.write(lambda: self.recorder.cut(step))
        if self.lease and not step:
            room(self.folder, module.net.trained().values())
        if step:
            self.say(f"{self.folder.name}: going on at step {step:,}")
        if step == self.steps:  # what comes after the last step may be owed, and Lightning would not begin
            self.stopping.over = True
            self.trainer.fit_loop.epoch_loop.max_steps = self.steps + 1
        loggers.attach(self.trainer, log(step))
        with devices.without_news():
            self.trainer.fit(module, batches(step), ckpt_path=path, weights_only=True)

    def _state(self, read: Callable[[dict[str, Any]], dict[str, Any]]) -> State | None:
        state = checkpoints.newest(self.folder, self.say)
        if state:
            State(state.step, state.path, read(state.belongs)).check(self.states.belongs)
        return state

    def _waiting(self, now: bool) -> None:
        """Mark the run paused while the disk is full; exit if termination was requested."""
        about = {"reason": "the disk is full"} if now else {}
        if self.lease:
            with contextlib.suppress(OSError):
                self.recorder.status("paused" if now else "running", **about)
        if self.asked.code:
            raise Stopped(self.asked.code)


@contextlib.contextmanager
def joined(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[Asked, Lease | None]]:
    """This process's part in a folder's training: signals are heard, other trainings on this machine count it, and the
    first of its processes holds the lease."""
    with Asked() as asked, counted():
        if devices.rank():
            yield asked, None
        else:  # who is asked to go while it waits for space goes at once
            with patiently(lambda: acquire(folder), folder, say) as lease:
                yield asked, lease


def room(folder: Path, trained: Iterable[Tensor]) -> None:
    """Refuse to start where the disk cannot hold the states: weights, their averages and AdamW's moments."""
    needed = (checkpoints.KEPT + 1) * 4 * sum(p.numel() * p.element_size() for p in trained)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(f"{folder}: its states take {needed / 1e9:,.3g} GB of disk, {free / 1e9:,.3g} GB are free")
