"""A configuration to a finished run: the one place that builds a Trainer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision.utils import save_image

from headtohead.config import RunConfig
from headtohead.data.encoded import Source, StepBatch, Steps, encoded
from headtohead.design import Backbone
from headtohead.eval import ceilings, points
from headtohead.foundations import representation, shipped, tokenizer
from headtohead.foundations.recipes import CONTEXT
from headtohead.heads import build as heads
from headtohead.module import DesignModule, Generator
from headtohead.query import QueryEncoder
from headtohead.records import Recorder, Spent
from headtohead.sampler import generate, noise
from headtohead.world import judge
from headtohead.world.captions import captions
from headtohead.world.render import render
from headtohead.world.scenes import draw

CHECKPOINT = "checkpoints/last.ckpt"
GRID = 16  # pictures of a sample grid
HELD_OUT = 102  # the stream of pictures on which the loss is measured


def encode_text(texts: list[str]) -> tuple[Tensor, Tensor]:
    ids = tokenizer.encode(texts, CONTEXT)
    return ids, (ids != tokenizer.PAD).long()


@dataclass
class Parts:
    """What a run is made of."""

    codec: representation.Codec
    generator: Generator
    tokens: Tensor


def assemble(config: RunConfig, cache: Path, device: str, say: Callable[[str], None]) -> Parts:
    """Foundations, head and training data for a configuration; first weights follow from its seed."""
    codec = representation.build(config.design.representation, device)
    torch.manual_seed(config.seed)
    number = heads.queries(config, codec.grid)
    query = QueryEncoder(
        shipped.language_model(device),
        encode_text,
        replace(config.query, number=number),
        trained=config.design.backbone is Backbone.TRAINED,
    )
    head: Any = heads.build(config, codec.grid, query.width)
    tokens = encoded(Source(codec.key, config.data.pictures), codec.encode, cache, device, say)
    return Parts(codec, Generator(query, head).to(device), tokens)


def flops_a_step(module: DesignModule, batch: StepBatch) -> float:
    """Counted by torch on one real step, forward and backward, of head and language model."""
    state = torch.random.get_rng_state()
    with FlopCounterMode(display=False) as counter:
        condition = module.generator.condition(batch.captions)
        module.generator.generation.loss(batch.x_1, condition).backward()
    module.zero_grad(set_to_none=True)
    torch.random.set_rng_state(state)
    return float(counter.get_total_flops())


class Curves(L.Callback):
    """Measures the averaged weights every so many steps, and writes the record and a checkpoint."""

    def __init__(self, config: RunConfig, parts: Parts, recorder: Recorder, device: str, flops: float) -> None:
        self.config, self.parts, self.recorder, self.flops = config, parts, recorder, flops
        e = config.evaluation
        self.judge, self.net = judge.load(device), shipped.feature_net(device)
        self.exams, self.references = {}, {}
        for last, pictures in ((False, e.pictures), (True, e.final_pictures)):
            limit = (pictures - pictures // 5, pictures // 5) if pictures else None
            self.exams[last] = ceilings.exam(e.split, limit=limit, device=device)
            other = ceilings.exam(e.split, ceilings.SEED + 1, limit=limit, device=device)
            self.references[last] = ceilings.features_of(other.pictures, self.net)
        index = np.arange(e.held_out)
        scenes = draw(HELD_OUT, index)
        self.held_out = captions(scenes, HELD_OUT, index), parts.codec.encode(render(scenes, device))
        self.seconds, self._since = 0.0, time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        step, last = trainer.global_step, trainer.global_step == self.config.train.steps
        if step % self.config.evaluation.every and not last:
            return
        assert isinstance(pl_module, DesignModule)
        self.seconds += time.monotonic() - self._since
        self.measure(pl_module, step, last)
        trainer.save_checkpoint(self.recorder.folder / CHECKPOINT)
        self._since = time.monotonic()

    def paint(self, prompts: list[str], seed: int, decoder_seed: int | None = None) -> Tensor:
        """Noise is fixed within a run and differs between seeds."""
        return generate(
            self.parts.generator,
            self.parts.codec,
            prompts,
            self.config.sampling,
            seed=seed + 1_000 * self.config.seed,
            batch=self.config.evaluation.batch,
            decoder_seed=decoder_seed,
        )

    def losses(self, generator: Generator) -> dict[str, float]:
        """The loss on pictures that no run trains on, with one draw of noise for the whole run."""
        told, x_1 = self.held_out
        x_0 = noise(HELD_OUT, np.arange(len(x_1)), *x_1.shape[1:]).to(x_1)
        generator.eval()
        with torch.no_grad():
            parts = generator.generation.held_out(x_1, x_0, generator.condition(told))
        generator.train()
        return {f"loss/{name}": value for name, value in parts.items()}

    def measure(self, module: DesignModule, step: int, last: bool) -> None:
        test = self.exams[last]
        with module.average:
            pictures = self.paint(test.texts, 0)
            point = points.score(test, pictures, self.judge, self.net, self.references[last])
            spread = points.spread(test, self.paint, self.judge, self.net, self.config.evaluation.diverse)
            losses = self.losses(module.generator)
        batch = self.config.train.batch
        at = Spent(step, step * batch, step * self.flops, round(self.seconds, 2))
        self.recorder.prompts(step, point.prompts)
        rows = np.linspace(0, len(pictures) - 1, GRID).astype(int)
        save_image(pictures[torch.from_numpy(rows)], self.recorder.grid(step), nrow=GRID // 2, padding=1)
        n = {**point.n, **spread.n, "loss": self.config.evaluation.held_out}
        self.recorder.append(at, {**point.values, **spread.values, **losses}, n, self.judge.name)

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]


def train(config: RunConfig, folder: Path, cache: Path, *, device: str, say: Callable[[str], None] = print) -> None:
    """Train a run to its end, going on from its checkpoint when there is one."""
    recorder = Recorder(folder)
    recorder.begin({**config.plain(), "hash": config.hash})
    recorder.status("running")
    parts = assemble(config, cache, device, say)
    module = DesignModule(parts.generator, config.train, config.seed)
    data = {"seed": config.seed, "batch": config.train.batch, "stop": config.train.steps, "dense": config.data.dense}
    first = Steps(parts.tokens, start=0, **data)  # type: ignore[arg-type]
    curves = Curves(config, parts, recorder, device, flops_a_step(module, first.at(0)))
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
    steps = Steps(parts.tokens, start=start, **data)  # type: ignore[arg-type]
    trainer.fit(module, DataLoader(steps, batch_size=None), ckpt_path=checkpoint if start else None, weights_only=True)
    recorder.status(
        "finished", steps=config.train.steps, trainable=sum(p.numel() for p in parts.generator.trained().values())
    )
