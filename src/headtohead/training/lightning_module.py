"""LightningModules: averaged weights, clipping, schedule, sharding, and checkpoints of the trained weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import lightning as L
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from headtohead.config.run_config import ComputeConfig, RunConfig, TrainConfig
from headtohead.data.synthetic_batches import StepBatch
from headtohead.models.generator import Generator
from headtohead.models.objectives.noise import Rows, StepDraws
from headtohead.pretrained.making.loop import warm_cosine
from headtohead.training.optimizers import make_optimizer
from headtohead.utils.compute import autocast, products
from headtohead.utils.errors import Diverged
from headtohead.utils.tensor_shapes import Target


class Net(Protocol):
    """A module that names its trained weights and the units in which they may be sharded."""

    def trained(self) -> dict[str, nn.Parameter]: ...
    def units(self) -> list[nn.Module]: ...
    def modules(self) -> Any: ...
    def parameters(self) -> Any: ...


N = TypeVar("N", bound=Net)


class Average(Generic[N]):
    """Exponential moving average of the trained weights; frozen weights are shared, not copied."""

    def __init__(self, net: N, decay: float) -> None:
        self.net, self.decay = net, decay
        self.weights = {name: p.detach().clone() for name, p in net.trained().items()}

    @torch.no_grad()
    def step(self, steps: int) -> None:
        """Update the average; early on with a smaller decay, so that the first weights do not dominate it."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(self.weights.values()), list(self.net.trained().values()), 1 - decay)

    def __enter__(self) -> N:
        """Put the averaged weights into the net until the block ends."""
        self._own = {name: p.detach().clone() for name, p in self.net.trained().items()}
        self._put(self.weights)
        return self.net

    def whole(self) -> dict[str, Tensor]:
        """The averages as plain tensors; sharded ones are gathered, a collective of all ranks."""
        return {name: w.full_tensor() if isinstance(w, DTensor) else w for name, w in self.weights.items()}

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        for name, own in self.weights.items():
            given = weights[name].to(own.device)
            if isinstance(own, DTensor):
                given = distribute_tensor(given, own.device_mesh, own.placements)
            own.copy_(given)

    def __exit__(self, *_: object) -> None:
        self._put(self._own)

    @torch.no_grad()
    def _put(self, weights: dict[str, Tensor]) -> None:
        for unit in self.net.modules():
            if isinstance(unit, FSDPModule):  # sampling leaves its weights gathered: there is no backward pass
                unit.reshard()
        for name, p in self.net.trained().items():
            p.copy_(weights[name])


class Learner(L.LightningModule, Generic[N]):
    def __init__(self, net: N, train: TrainConfig, compute: ComputeConfig, seed: int) -> None:
        super().__init__()
        self.net, self.settings, self.compute, self.seed = net, train, compute, seed
        self.average = Average(net, train.ema)
        self.strict_loading = False  # a checkpoint holds what is trained; what it must hold is checked below
        self._began, self._lost = time.monotonic(), torch.zeros(())

    def configure_model(self) -> None:
        """Shard every unit by itself where the strategy has a device mesh (FSDP)."""
        if self._device_mesh is None or isinstance(next(self.net.parameters()), DTensor):
            return
        mesh = self._device_mesh["data_parallel"]
        for unit in self.net.units():
            fully_shard(unit, mesh=mesh)
            if hasattr(unit, "prepare"):  # a sampler's way in, beside `forward`
                register_fsdp_forward_method(unit, "prepare")
        self.average = Average(self.net, self.settings.ema)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            self._began = time.monotonic()

    def on_before_backward(self, loss: Tensor) -> None:
        self._lost = self._lost + loss.detach()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        with products(self.compute.precision, self.device):
            super().backward(loss, *args, **kwargs)

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Last hook before the optimizer step: abort on a non-finite loss or gradient."""
        norm = nn.utils.clip_grad_norm_(self.net.trained().values(), self.settings.clip)
        norm, lost = norm.full_tensor() if isinstance(norm, DTensor) else norm, self._lost
        if not torch.isfinite(norm + lost):
            step = self.global_step + 1
            raise Diverged(f"step {step}: the loss is {float(lost):.4g}, the gradient's norm {float(norm):.4g}")
        self._lost = lost.new_zeros(())
        self.log("grad_norm", norm, prog_bar=True)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step and update the average here: callbacks, which measure and save, run before the module's other hooks."""
        super().optimizer_step(*args, **kwargs)
        self.average.step(self.global_step)
        self.log("samples/s", self.settings.batch / (time.monotonic() - self._began), prog_bar=True)

    def rate(self, step: int) -> float:
        t = self.settings
        return warm_cosine(step, steps=t.steps, warmup=t.warmup, end=t.lr_end)

    def groups(self) -> list[dict[str, Any]]:
        """The trained weights, by learning rate."""
        return [{"params": list(self.net.trained().values()), "lr": self.settings.lr}]

    def configure_optimizers(self) -> Any:
        fused = self.device.type in ("cuda", "cpu", "mps")
        optimizer = make_optimizer(self.settings, self.groups(), self.net.modules(), fused)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep trained weights only; frozen ones are loaded from their own files."""
        trained = {f"net.{name}" for name in self.net.trained()}
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in trained}
        checkpoint["average"] = self.average.whole()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.average.restore(checkpoint["average"])
        # Lightning counts batches; another number of devices makes another number of them out of the same steps.
        batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for counts in (batches["total"], batches["current"]):
            for name in counts:
                counts[name] = checkpoint["global_step"] * self.trainer.accumulate_grad_batches

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        own = {f"net.{name}" for name in self.net.trained()}
        if set(state_dict) != own:
            raise ValueError(f"the checkpoint does not fit this run: {sorted(own ^ set(state_dict))[:3]}")
        return super().load_state_dict(state_dict, strict=False, assign=assign)


class DesignModule(Learner[Generator]):
    def __init__(self, generator: Generator, config: RunConfig, target: Callable[[Tensor], Target]) -> None:
        """
        generator  to be trained
        config     of the run
        target     a batch's pictures or tokens -> what the objective learns
        """
        super().__init__(generator, config.train, config.compute, config.seed)
        self.target = target

    def groups(self) -> list[dict[str, Any]]:
        rate, language = self.settings.lr_language, self.net.language()
        if not rate or not language:
            return super().groups()
        others = [p for name, p in self.net.trained().items() if name not in language]
        return [{"params": others, "lr": self.settings.lr}, {"params": list(language.values()), "lr": rate}]

    def training_step(self, batch: StepBatch, _: int) -> Tensor:
        # Noise and times of a step depend on seed and step alone: a resumed run has those of one that never stopped.
        rows = Rows(batch.start, len(batch.captions), self.settings.batch)
        draws = StepDraws(self.seed * 1_000_003 + self.global_step, rows, batch.x_1.device)
        with autocast(self.compute.precision, self.device):
            target = self.target(batch.x_1)
            loss = self.net.objective.loss(target, self.net.condition(batch.captions), draws)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss
