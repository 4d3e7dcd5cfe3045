"""Steps through the trainer of real runs, sharded (FSDP2) or not; saving a whole state and resuming from it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
from torch import distributed

from ablations.bench.gpu import models
from ablations.bench.gpu.lines import Line
from ablations.bench.gpu.measured.training import cleared, forget_peak
from ablations.bench.gpu.sizes import Sizes
from ablations.bench.timing import rate_of, wait
from headtohead.config.run_config import RunConfig
from headtohead.data.synthetic_batches import StepBatch
from headtohead.models.build import Parts
from headtohead.training.lightning_module import DesignModule
from headtohead.training.resume import Training
from headtohead.training.run_context import opened
from headtohead.utils import cli, compute
from headtohead.utils.errors import InputError

SAVED = 2  # step after which the state is saved
COPIES = 4  # of the trained weights in a state: themselves, their average, AdamW's two moments
WEIGHTS = 4  # bytes of a weight
FEWEST = 4  # steps through the trainer, the first of which is not timed


@dataclass
class Batches:
    """What a trainer iterates over; batches never end."""

    made: Iterator[StepBatch]

    def __iter__(self) -> Iterator[StepBatch]:
        return self.made


class Clock(L.Callback):
    """Notes when each step ends, and ends the training after some seconds.

    device   cpu or cuda
    seconds  for which steps are timed
    """

    def __init__(self, device: str, seconds: float) -> None:
        self.device, self.seconds, self.ends = device, seconds, list[float]()
        self.began = 0.0  # first step

    def on_train_batch_start(self, *_: Any) -> None:
        if not self.began:
            wait(self.device)
            self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        wait(self.device)
        self.ends.append(time.perf_counter())
        enough = len(self.ends) >= FEWEST and self.ends[-1] - self.ends[0] > self.seconds
        trainer.should_stop = trainer.should_stop or enough

    @property
    def times(self) -> list[float]:
        """Seconds of each step after the first."""
        return [later - earlier for earlier, later in zip(self.ends, self.ends[1:], strict=False)]


class Saving(Clock):
    """Saves the state after step SAVED, in `took` seconds."""

    took = 0.0
    training: Training

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        super().on_train_batch_end(trainer, pl_module)
        if trainer.global_step == SAVED:
            began = time.perf_counter()
            self.training.save(trainer)
            self.took = time.perf_counter() - began


def measure(line: Line, sizes: Sizes, device: str, peak: float) -> dict[str, Any]:
    """A row of steps through the trainer, with the trainer's own time in them.

    line    with the strategy
    sizes   of its model
    device  cpu or cuda
    peak    unused
    """
    config = sizes.config(line)
    own = models.parts(config, sizes.decoder(line), device)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), device, cli.quiet) as run:
        clock = Clock(device, sizes.seconds)
        forget_peak(device)
        _fit(Training(replace(run, lease=None), config), clock, config, own, device)
    if distributed.is_initialized():
        distributed.destroy_process_group()
    return {**rate_of(line.batch, clock.times), "strategy": line.strategy, "peak MB": compute.peak_mb(device)}


def state(line: Line, sizes: Sizes, device: str, peak: float) -> dict[str, Any]:
    """A row with the seconds in which a run's state is saved, and those from its start to its first step again.

    line    with the design
    sizes   of its model
    device  cpu or cuda
    peak    unused
    """
    config = sizes.config(line.at(1))
    own = models.parts(config, sizes.decoder(line), device)
    trained = sum(p.numel() for p in own.generator.trained().values())
    with tempfile.TemporaryDirectory() as name, opened(Path(name), device, cli.quiet) as run:
        folder, needed = Path(name), WEIGHTS * COPIES * trained
        if (free := shutil.disk_usage(folder).free) < 1.05 * needed:
            reason = f"its state takes {needed / 1e9:.3g} GB, {free / 1e9:.3g} GB are free there (TMPDIR names another)"
            raise InputError(f"{folder.parent}: {reason}")
        saving = Saving(device, 0.0)
        # Without a lease a training does not ask for room for three states; it saves all the same.
        saving.training = Training(replace(run, lease=None), _steps(config, SAVED))
        _fit(saving.training, saving, config, own, device)
        path = saving.training.states.path(SAVED)
        size = path.stat().st_size
        del saving.training
        own.generator.zero_grad()
        cleared()
        began, clock = time.perf_counter(), Clock(device, 0.0)
        _fit(Training(run, _steps(config, SAVED + 1)), clock, config, own, device)
    if not clock.ends or len(clock.ends) > 1:
        raise RuntimeError(f"the run went on for {len(clock.ends)} steps, not one")
    return {
        "seconds to save": saving.took, "seconds to resume": clock.began - began, "GB": size / 1e9,
        "trained": trained, "peak MB": compute.peak_mb(device),
    }  # fmt: skip


def _steps(config: RunConfig, steps: int) -> RunConfig:
    return replace(config, train=replace(config.train, steps=steps))


def _fit(training: Training, clock: Clock, config: RunConfig, own: Parts, device: str) -> None:
    batches = models.batches(own.codec, config.train.batch, device, encoded=True)
    module = DesignModule(own.generator, config, own.target)
    training.fit(module, lambda step: Batches(batches), clock, {"bench": "state"}, keep_points=True)
