"""A configuration to a finished run: the one place that builds a Trainer."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch.utils.data import DataLoader
from torchvision.transforms.functional import to_pil_image

from headtohead.assemble import assemble, flops_a_step, training_data
from headtohead.config import RunConfig
from headtohead.kept import keep
from headtohead.machine import describe, peak_mb
from headtohead.measure import Meter, shown_prompts
from headtohead.module import DesignModule
from headtohead.records import HEADLINE, Recorder, Spent

CHECKPOINT = "checkpoints/last.ckpt"  # to go on from; removed when the run is finished

# What Lightning says at every start: of its own parts, of frozen foundations, of batches that cost no time to make.
NEWS = (".*isinstance.treespec.*", "Found .* module.s. in eval mode", ".*does not have many workers", ".*litlogger.*")


class Curves(L.Callback):
    """Measures the averaged weights every so many steps, and writes the record and a checkpoint."""

    def __init__(self, config: RunConfig, meter: Meter, recorder: Recorder, flops: float) -> None:
        self.config, self.meter, self.recorder, self.flops = config, meter, recorder, flops
        self.training = self.measuring = self.peak = 0.0
        self._since = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        step, last = trainer.global_step, trainer.global_step == self.config.train.steps
        if step % self.config.evaluation.every and not last:
            return
        assert isinstance(pl_module, DesignModule)
        started = time.monotonic()
        self.training += started - self._since
        self.point(pl_module, step, last, partial(_beside_the_bar, trainer))
        self._since = time.monotonic()
        self.measuring += self._since - started
        self.peak = max(self.peak, peak_mb(self.meter.device))
        trainer.save_checkpoint(self.recorder.folder / CHECKPOINT)

    def point(self, module: DesignModule, step: int, last: bool, say: Callable[[str], None]) -> None:
        with module.average as generator:
            measured = self.meter.measure(generator, last)
        if last or self.config.evaluation.keep == "all":
            keep(module.average.weights, self.recorder.folder, step)
        at = Spent(step, step * self.config.train.batch, step * self.flops, round(self.training, 2))
        for kind, grid in measured.grids.items():
            to_pil_image(grid.cpu()).save(self.recorder.grid(step, kind), quality=90)
        point, exam = measured.point, measured.exam
        self.recorder.exam(exam.id, exam.asked)
        self.recorder.prompts(step, exam.id, point.scores, point.reasons or {})
        self.recorder.append(
            at,
            point.values,
            point.n,
            representation=self.config.design.representation,
            judge=self.meter.judge.name,
        )
        told = [f"{name} {point.values[metric]:.3f}" for metric, name in HEADLINE.items() if metric in point.values]
        say(f"step {step:,}: {', '.join(told)}")

    def state_dict(self) -> dict[str, Any]:
        return {"training": self.training, "measuring": self.measuring, "peak": self.peak}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self).update(state_dict)


def _beside_the_bar(trainer: L.Trainer, line: str) -> None:
    """A line that the progress bar does not overwrite."""
    bar = trainer.progress_bar_callback
    assert isinstance(bar, TQDMProgressBar)
    bar.print(line, file=sys.stderr)


def train(config: RunConfig, folder: Path, cache: Path, *, device: str, say: Callable[[str], None] = print) -> None:
    """Train a run to its end, going on from its checkpoint when there is one."""
    recorder = Recorder(folder)
    recorder.begin({**config.plain(), "hash": config.hash})
    recorder.status("running")
    parts = assemble(config, device)
    data = training_data(config, parts.codec, cache, device, say)
    module = DesignModule(parts.generator, config.train, config.seed)
    flops = flops_a_step(parts.generator, data(0).at(0))
    curves = Curves(config, Meter(config, parts, device), recorder, flops)
    checkpoint = folder / CHECKPOINT
    start = 0
    if checkpoint.exists():
        start = int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
        recorder.cut_behind(start)
        say(f"{folder.name}: going on at step {start}")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it advertises and repeats what we say ourselves
    trainer = L.Trainer(
        max_steps=config.train.steps,
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        callbacks=[curves, TQDMProgressBar(refresh_rate=10)],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    loader = DataLoader(data(start), batch_size=None)
    with warnings.catch_warnings():
        for told in NEWS:
            warnings.filterwarnings("ignore", told)
        trainer.fit(module, loader, ckpt_path=checkpoint if start else None, weights_only=True)
    recorder.status(
        "finished",
        steps=config.train.steps,
        trainable=sum(p.numel() for p in parts.generator.trained().values()),
        frozen=sum(p.numel() for p in parts.generator.parameters() if not p.requires_grad),
        flops=config.train.steps * flops,
        seconds_training=round(curves.training, 1),
        seconds_measuring=round(curves.measuring, 1),
        peak_mb=round(curves.peak),
        fid=dict(zip(("renders", "dimensions"), curves.meter.exam(last=True)[1].shape, strict=True)),
        shown=shown_prompts(config.evaluation),
        **describe(device),
    )
    checkpoint.unlink()
