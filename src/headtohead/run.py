"""A configuration to a finished run: `python -m headtohead.run FOLDER` trains the run whose config.json lies there.

One process on one device, or as many as a launcher starts; all of them paint, the first one judges and writes.
"""

from __future__ import annotations

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
from safetensors.torch import save_file
from torchvision.transforms.functional import to_pil_image

from headtohead import accounts, command, devices, examining, records, store, training_data
from headtohead.assemble import assemble, flops_a_picture, flops_of_everything
from headtohead.config import RunConfig
from headtohead.errors import InputError
from headtohead.kept import keep
from headtohead.machine import describe, peak_mb
from headtohead.measured import Examiner
from headtohead.module import DesignModule
from headtohead.portion import Portion
from headtohead.records import HEADLINE, Recorder, Spent
from headtohead.stopping import Stopping, stepped
from headtohead.store import fingerprint
from headtohead.strict import build

STANDARD = "standard.safetensors"  # by what CLIP's channels were standardised
CHECKPOINT = "checkpoints/last.ckpt"  # to go on from; removed when the run is finished

# What Lightning says at every start: of its own parts, of frozen foundations, of batches that cost no time to make.
NEWS = (".*isinstance.treespec.*", "Found .* module.s. in eval mode", ".*does not have many workers", ".*litlogger.*")


class Curves(L.Callback):
    """Measures the averaged weights every so many steps, and writes the record and a checkpoint."""

    def __init__(
        self, config: RunConfig, examiner: Examiner, recorder: Recorder, flops: float, everything: float
    ) -> None:
        """`flops` are a picture's, of head and language model, and of everything."""
        self.config, self.examiner, self.recorder = config, examiner, recorder
        self.flops, self.everything = flops, everything
        self.training = self.measuring = self.peak = 0.0
        self._since = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        step, last = trainer.global_step, trainer.global_step == self.config.train.steps
        if not stepped(trainer) or (step % self.config.evaluation.every and not last):
            return
        assert isinstance(pl_module, DesignModule)
        started = time.monotonic()
        self.training += started - self._since
        self.point(pl_module, step, last, partial(_beside_the_bar, trainer))
        self._since = time.monotonic()
        self.measuring += self._since - started
        self.peak = max(self.peak, peak_mb(self.examiner.device))
        trainer.save_checkpoint(self.recorder.folder / CHECKPOINT)  # by all processes together

    def point(self, module: DesignModule, step: int, last: bool, say: Callable[[str], None]) -> None:
        with module.average as generator:
            measured = self.examiner.measure(generator, last, step)
        weights = module.average.whole()
        if measured is None:  # not the first process
            return
        if last or self.config.evaluation.keep == "all":
            keep(weights, self.recorder.folder, step)
        shown = step * self.config.train.batch
        at = Spent(step, shown, shown * self.flops, round(self.training, 2), shown * self.everything)
        for kind, grid in measured.grids.items():
            to_pil_image(grid.cpu()).save(self.recorder.grid(step, kind), quality=90)
        point, exam = measured.point, fingerprint(measured.asked)
        self.recorder.exam(exam, measured.asked)
        self.recorder.prompts(step, exam, point.scores, point.reasons or {})
        self.recorder.append(
            at,
            point.values,
            point.n,
            representation=self.config.design.representation,
            judge=self.examiner.name,
            mode=self.examiner.mode,
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
    t = config.train
    checkpoint = folder / CHECKPOINT
    callbacks: list[L.Callback] = [Stopping(checkpoint), TQDMProgressBar(refresh_rate=10)]
    trainer = devices.trainer(config.compute, device, steps=t.steps, batch=t.batch, callbacks=callbacks)
    own, writes, recorder = str(trainer.strategy.root_device), trainer.global_rank == 0, Recorder(folder)
    parts = assemble(config, own)
    if writes:
        recorder.begin({**config.plain(), "hash": config.hash})
        recorder.status("running")
        if parts.codec.statistics:
            save_file({k: v.contiguous() for k, v in parts.codec.statistics.items()}, folder / STANDARD)
    portion = Portion.of(config.train.batch, config.compute.micro_batch, trainer.global_rank, trainer.world_size)
    data = training_data.build(config, portion, parts.codec, cache, own, say if writes else command.quiet)
    module = DesignModule(parts.generator, config, parts.codec.encode)
    flops = flops_a_picture(parts, next(iter(data.batches(0))), own)
    everything = flops_of_everything(config, parts, flops, data.about()["data"]["samples"], own)
    curves = Curves(config, examining.build(config, parts, own, folder), recorder, flops, everything)
    trainer.callbacks.insert(0, curves)  # type: ignore[attr-defined]
    start = 0
    if checkpoint.exists():
        start = int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
        if writes:
            recorder.cut_behind(start)
            say(f"{folder.name}: going on at step {start}")
    with warnings.catch_warnings():
        for told in NEWS:
            warnings.filterwarnings("ignore", told)
        trainer.fit(module, data.batches(start), ckpt_path=checkpoint if start else None, weights_only=True)
    if not writes:
        return
    recorder.status(
        "finished",
        steps=config.train.steps,
        trainable=sum(p.numel() for p in parts.generator.trained().values()),
        frozen=sum(p.numel() for p in parts.generator.parameters() if not p.requires_grad),
        flops=accounts.shown(config) * flops,
        flops_total=accounts.shown(config) * everything,
        seconds_training=round(curves.training, 1),
        seconds_measuring=round(curves.measuring, 1),
        peak_mb=round(curves.peak),
        **curves.examiner.about,
        **data.about(),
        processes=trainer.world_size,
        **describe(device),
    )
    checkpoint.unlink()


def main(arguments: list[str] | None = None) -> int:
    parser = command.Parser("headtohead.run", __doc__)
    parser.add_argument("folder", type=Path, help="holds the config.json of a run that a sweep prepared")
    parser.add_folder("--cache", Path(".cache/headtohead"), "where encoded pictures are kept")
    parser.add_device()
    options = parser.parse_args(arguments)
    try:
        given = records.read_json(options.folder / records.CONFIG)
        given.pop("hash", None)
        config = build(RunConfig, given, str(options.folder / records.CONFIG))
        train(config, options.folder, options.cache, device=options.device or store.best_device(), say=command.say)
    except (InputError, OSError) as error:
        parser.error(" ".join(str(error).split()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
