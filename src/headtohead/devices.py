"""Where a training runs: one device, all of a machine's, or what a launcher (torchrun, SLURM) gave this process.

How many devices there are is no setting of a run: a global batch is shared among them, and any other number gives the
same samples, the same noise and, up to the order of sums, the same weights.
"""

from __future__ import annotations

import logging
import os
import signal
import warnings
from datetime import timedelta
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

from headtohead.config import ComputeConfig
from headtohead.portion import Portion

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


class OwnAnswer(L.Callback):
    """SIGTERM is answered by whoever was to answer before Lightning put itself in front.

    Its handler broadcasts at once, wherever a process stands: two that are asked together, as a job's are, then pair
    different collectives and wait for each other for ever.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._before = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        signal.signal(signal.SIGTERM, self._before)


def trainer(compute: ComputeConfig, device: str, *, steps: int, batch: int, callbacks: list[L.Callback]) -> L.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it advertises and repeats what we say ourselves
    warnings.filterwarnings("ignore", "The `srun` command is available")  # on a login node it is of no concern
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
    return L.Trainer(
        max_steps=steps,
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=here,
        num_nodes=world // here,
        strategy=strategy,
        plugins=environment,
        accumulate_grad_batches=len(portion.starts),
        callbacks=[*callbacks, OwnAnswer()],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
