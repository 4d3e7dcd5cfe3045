"""Where a training runs: one device, all of a machine's, or what a launcher (torchrun, SLURM) gave this process.

How many devices there are is no setting of a run: a global batch is shared among them, and any other number gives the
same samples, the same noise and, up to the order of sums, the same weights.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

from headtohead.config import ComputeConfig
from headtohead.portion import Portion

# What Lightning says at every start: of its own parts, of frozen foundations, of batches that cost no time to make, of
# a cluster's srun that a training on its login node does without.
NEWS = (
    ".*isinstance.treespec.*", "Found .* module.s. in eval mode", ".*does not have many workers", ".*litlogger.*",
    ".*srun.*",
)  # fmt: skip
PATIENCE = timedelta(hours=6)  # other processes wait while one judges pictures


def processes() -> tuple[int, int]:
    """How many processes a launcher started for this training, and how many of them on this machine."""
    e = os.environ
    if "TORCHELASTIC_RUN_ID" in e:
        return int(e["WORLD_SIZE"]), int(e["LOCAL_WORLD_SIZE"])
    if "SLURM_NTASKS" in e and "SLURM_PROCID" in e and e.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        return int(e["SLURM_NTASKS"]), int(e["SLURM_NTASKS"]) // int(e.get("SLURM_NNODES", 1))
    return 1, 1


@contextmanager
def without_news() -> Iterator[None]:
    with warnings.catch_warnings():
        for told in NEWS:
            warnings.filterwarnings("ignore", told)
        yield


def rank() -> int:
    """Of this process among those that a launcher started; the first is 0."""
    world, _ = processes()
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0))) if world > 1 else 0


def meet(trainer: L.Trainer, module: L.LightningModule) -> None:
    """Processes can talk from here on; Lightning would let them only once it trains."""
    if trainer.world_size > 1:
        trainer.strategy.connect(module)
        trainer.strategy.setup_environment()


def trainer(
    compute: ComputeConfig,
    device: str,
    *,
    steps: int,
    batch: int,
    callbacks: list[L.Callback],
    checkpoints: CheckpointIO,
) -> L.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it advertises and repeats what we say ourselves
    world, here = processes()
    portion = Portion.of(batch, compute.micro_batch, 0, world)
    strategy: Any = "auto"
    if compute.strategy == "fsdp":
        strategy = ModelParallelStrategy(
            data_parallel_size=world, tensor_parallel_size=1, save_distributed_checkpoint=False, timeout=PATIENCE
        )
    elif world > 1:
        strategy = DDPStrategy(timeout=PATIENCE, gradient_as_bucket_view=True)
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    with without_news():
        return L.Trainer(
            max_steps=steps,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=here,
            num_nodes=world // here,
            strategy=strategy,
            accumulate_grad_batches=len(portion.starts),
            callbacks=callbacks,
            plugins=[checkpoints],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
