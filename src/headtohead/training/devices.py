"""Where a training runs: one device, all of a machine's, or those that a launcher (torchrun, SLURM) gave this process.

The number of devices is not a setting of a run: a global batch is divided among them, and any number gives the same
samples, the same noise and, up to the order of sums, the same weights.
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

# Lightning's warnings about its own parts, frozen pretrained models, data loading without worker processes (batches are
# cheap to make), and trainings on a cluster's login node without srun.
IGNORED = (
    ".*isinstance.treespec.*", "Found .* module.s. in eval mode", ".*does not have many workers", ".*litlogger.*",
    ".*srun.*",
)  # fmt: skip
TIMEOUT = timedelta(hours=6)  # of a collective: other ranks wait while rank 0 scores pictures


def launched() -> tuple[ClusterEnvironment, int, int]:
    """The launcher of this process, the number of processes of this training, and how many of them are on this machine.

    Lightning's own guess takes a plain command in a SLURM job for a task of srun; only srun sets a step's variables.
    """
    e = os.environ
    if "TORCHELASTIC_RUN_ID" in e:
        return TorchElasticEnvironment(), int(e["WORLD_SIZE"]), int(e["LOCAL_WORLD_SIZE"])
    if (world := int(e.get("SLURM_STEP_NUM_TASKS", 1))) > 1:
        # The job script requeues; Lightning would do so a second time, with a checkpoint of its own.
        return SLURMEnvironment(auto_requeue=False), world, world // int(e["SLURM_STEP_NUM_NODES"])
    return LightningEnvironment(), 1, 1


@contextmanager
def warnings_ignored() -> Iterator[None]:
    with warnings.catch_warnings():
        for pattern in IGNORED:
            warnings.filterwarnings("ignore", pattern)
        yield


def rank() -> int:
    """The rank of this process among those that a launcher started."""
    environment, world, _ = launched()
    return environment.global_rank() if world > 1 else 0


def meet(trainer: L.Trainer, module: L.LightningModule) -> None:
    """Set up communication between ranks before training; Lightning would do so in `fit`."""
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
    """Lightning's trainer, with its own logging and checkpoints switched off.

    compute      performance settings
    device       cpu or cuda
    steps        optimizer steps of the whole training
    batch        pictures a step, over all ranks
    callbacks    of Lightning
    checkpoints  writes states
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # advertisements and repetitions of our own output
    environment, world, here = launched()
    portion = Portion.of(batch, compute.micro_batch, 0, world)
    strategy: Any = "auto"
    if compute.strategy == "fsdp":
        strategy = ModelParallelStrategy(
            data_parallel_size=world, tensor_parallel_size=1, save_distributed_checkpoint=False, timeout=TIMEOUT
        )
    elif world > 1:
        strategy = DDPStrategy(timeout=TIMEOUT, gradient_as_bucket_view=True)
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    with warnings_ignored():
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
