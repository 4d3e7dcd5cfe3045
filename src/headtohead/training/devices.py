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
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

from headtohead.config.run_config import ComputeConfig
from headtohead.data.order import Portion

# What Lightning says at every start: of its own parts, of frozen foundations, of batches that cost no time to make, of
# a cluster's srun that a training on its login node does without.
NEWS = (
    ".*isinstance.treespec.*", "Found .* module.s. in eval mode", ".*does not have many workers", ".*litlogger.*",
    ".*srun.*",
)  # fmt: skip
PATIENCE = timedelta(hours=6)  # other processes wait while one judges pictures


def launched() -> tuple[ClusterEnvironment, int, int]:
    """By whom this process was started, how many there are for this training, and how many of them on this machine.

    Lightning would guess, and takes a command inside a job for one of srun's: only a step of srun's counts its tasks.
    """
    e = os.environ
    if "TORCHELASTIC_RUN_ID" in e:
        return TorchElasticEnvironment(), int(e["WORLD_SIZE"]), int(e["LOCAL_WORLD_SIZE"])
    if (world := int(e.get("SLURM_STEP_NUM_TASKS", 1))) > 1:
        # A job is put back into the queue by its script alone; Lightning would do so too, with a checkpoint of its own.
        return SLURMEnvironment(auto_requeue=False), world, world // int(e["SLURM_STEP_NUM_NODES"])
    return LightningEnvironment(), 1, 1


@contextmanager
def without_news() -> Iterator[None]:
    with warnings.catch_warnings():
        for told in NEWS:
            warnings.filterwarnings("ignore", told)
        yield


def rank() -> int:
    """Of this process among those that a launcher started; the first is 0."""
    environment, world, _ = launched()
    return environment.global_rank() if world > 1 else 0


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
    environment, world, here = launched()
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
            plugins=[checkpoints, environment],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
