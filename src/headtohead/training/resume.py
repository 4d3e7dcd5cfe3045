"""Train with saved states: save on request and at intervals, resume from the last one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor

from headtohead.config.run_config import DecoderConfig, RunConfig
from headtohead.data.order import Portion
from headtohead.training import checkpoints, devices
from headtohead.training.callbacks import loggers
from headtohead.training.callbacks.cores import SharedCores
from headtohead.training.callbacks.progress import bar
from headtohead.training.callbacks.stop import Stopping
from headtohead.training.checkpoints import Checkpoints, State
from headtohead.training.lightning_module import Learner
from headtohead.training.run_context import RunContext
from headtohead.utils.errors import InputError


class Training:
    """Lightning's trainer of a run, and the states it resumes from.

    run        folder, lease and signals of this rank
    config     of the run or decoder
    callbacks  of Lightning, called after those that share cores and stop
    """

    def __init__(
        self, run: RunContext, config: RunConfig | DecoderConfig, callbacks: Iterable[L.Callback] = ()
    ) -> None:
        t, compute = config.train, config.compute
        self.run, self.steps = run, t.steps
        self.states = Checkpoints(run.folder, run.say, run.waiting)
        self.stopping = Stopping(run.signals, self.save)
        self.trainer = devices.trainer(
            compute,
            run.device,
            steps=t.steps,
            batch=t.batch,
            callbacks=[self.stopping, *([SharedCores()] if run.device == "cpu" else []), *callbacks, bar()],
            checkpoints=self.states,
        )
        self.device = str(self.trainer.strategy.root_device)
        self.portion = Portion.of(t.batch, compute.micro_batch, self.trainer.global_rank, self.trainer.world_size)

    def save(self, trainer: L.Trainer) -> None:
        """Save a state; a collective of all ranks."""
        with self.run.saving():
            trainer.save_checkpoint(self.states.path(trainer.global_step))

    def fit(
        self,
        module: Learner[Any],
        batches: Callable[[int], Iterable[Any]],
        callback: L.Callback,
        identity: Mapping[str, Any],
        upgrade: Callable[[dict[str, Any]], dict[str, Any]] = dict,
        log: loggers.Loggers = loggers.none,
        keep_points: bool = False,
    ) -> None:
        """Train from the last complete state to the last step.

        module       to be trained
        batches      first step -> batches from there on
        callback     measures or shows; called before all others
        identity     configuration and data, which must equal those of the state
        upgrade      brings the identity in a state of an older version to today's form
        log          makes loggers of Lightning
        keep_points  keep recorded points after the state's step: they were measured on saved weights, which repeat
        """
        run = self.run
        self.states.identity = dict(identity)
        self.trainer.callbacks.insert(0, callback)  # type: ignore[attr-defined]
        state = self._state(upgrade) if run.lease else None
        step, path = self.trainer.strategy.broadcast((state.step, str(state.path)) if state else (0, None))
        if run.lease and not keep_points:
            run.write(lambda: run.recorder.cut(step))
        if run.lease and not step:
            check_disk_space(run.folder, module.net.trained().values())
        if step:
            run.say(f"{run.folder.name}: going on at step {step:,}")
        if step == self.steps:  # the last point may be pending; Lightning would not start without a step to do
            self.stopping.over = True
            self.trainer.fit_loop.epoch_loop.max_steps = self.steps + 1
        loggers.attach(self.trainer, log(step) if run.lease else ())
        with devices.warnings_ignored():
            self.trainer.fit(module, batches(step), ckpt_path=path, weights_only=True)

    def _state(self, upgrade: Callable[[dict[str, Any]], dict[str, Any]]) -> State | None:
        state = checkpoints.newest(self.run.folder, self.run.say)
        if state:
            State(state.step, state.path, upgrade(state.identity)).check(self.states.identity)
        return state


def check_disk_space(folder: Path, trained: Iterable[Tensor]) -> None:
    """Refuse to start if the disk cannot hold the states: weights, their averages and AdamW's two moments.

    folder   of the run
    trained  weights
    """
    needed = (checkpoints.KEPT + 1) * 4 * sum(p.numel() * p.element_size() for p in trained)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(f"{folder}: its states take {needed / 1e9:,.3g} GB of disk, {free / 1e9:,.3g} GB are free")
