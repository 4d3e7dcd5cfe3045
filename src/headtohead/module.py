"""The LightningModule: one for all designs. It knows queries, a head and an optimizer, and no axis by name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from headtohead.computing import autocast
from headtohead.config import RunConfig
from headtohead.data.encoded import Encode, StepBatch
from headtohead.foundations.fit import warm_cosine
from headtohead.heads.base import GenerationHead
from headtohead.heads.draws import Draws, Rows
from headtohead.query import QueryEncoder
from headtohead.shapes import Condition

PICTURES = 4  # dimensions of a batch of them; image tokens have one less


def pixels(pictures: Tensor) -> Tensor:
    """In [0, 1], as encoders want them; shards give bytes."""
    return pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures


class Generator(nn.Module):
    """Prompts to image tokens: what is trained, averaged and saved."""

    def __init__(self, queries: QueryEncoder, head: nn.Module) -> None:
        super().__init__()
        self.queries, self.head = queries, head

    def condition(self, prompts: list[str]) -> Condition:
        condition: Condition = self.queries(prompts)
        return condition

    @property
    def generation(self) -> GenerationHead:
        return self.head  # type: ignore[return-value]

    def units(self) -> list[nn.Module]:
        """In which weights are sharded, inner ones first: what repeats, then what is called as a whole."""
        layers = [layer for lists in self.modules() if isinstance(lists, nn.ModuleList) for layer in lists]
        return [*layers, self.queries, *self.head.children()]

    def trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if p.requires_grad}


class Average:
    """A moving average of the trained weights alone; frozen ones are shared, not copied."""

    def __init__(self, generator: Generator, decay: float) -> None:
        self.generator, self.decay = generator, decay
        self.weights = {name: p.detach().clone() for name, p in generator.trained().items()}

    @torch.no_grad()
    def step(self, steps: int) -> None:
        """Early on the average is short, or it would hold little but the first weights for a thousand steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(self.weights.values()), list(self.generator.trained().values()), 1 - decay)

    def __enter__(self) -> Generator:
        """The generator with averaged weights, until the block ends."""
        self._own = {name: p.detach().clone() for name, p in self.generator.trained().items()}
        self._put(self.weights)
        return self.generator

    def whole(self) -> dict[str, Tensor]:
        """The averages as plain tensors; where they are sharded, gathered by all processes together."""
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
        for unit in self.generator.modules():
            if isinstance(unit, FSDPModule):  # sampling leaves its weights gathered: there is no backward pass
                unit.reshard()
        for name, p in self.generator.trained().items():
            p.copy_(weights[name])


class DesignModule(L.LightningModule):
    def __init__(self, generator: Generator, config: RunConfig, encode: Encode) -> None:
        """`encode` turns a batch's pictures into image tokens, where they were not encoded beforehand."""
        super().__init__()
        self.generator, self.settings, self.seed = generator, config.train, config.seed
        self.encode, self.compute = encode, config.compute
        self.average = Average(generator, config.train.ema)
        self._began = time.monotonic()

    def configure_model(self) -> None:
        """Under a strategy that has a mesh of devices, every unit is sharded by itself."""
        if self._device_mesh is None or isinstance(next(self.generator.parameters()), DTensor):
            return
        mesh = self._device_mesh["data_parallel"]
        for unit in self.generator.units():
            fully_shard(unit, mesh=mesh)
        self.average = Average(self.generator, self.settings.ema)

    def training_step(self, batch: StepBatch, _: int) -> Tensor:
        # Noise and times of a step depend on seed and step alone, so a resumed run draws what it would have drawn.
        rows = Rows(batch.start, self.settings.batch)
        draws = Draws(self.seed * 1_000_003 + self.global_step, rows, batch.x_1.device)
        x_1 = self.encode(pixels(batch.x_1)) if batch.x_1.dim() == PICTURES else batch.x_1.float()
        with autocast(self.compute, self.device):
            condition = self.generator.condition(batch.captions)
            loss = self.generator.generation.loss(x_1, condition, draws)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        norm = nn.utils.clip_grad_norm_(self.generator.trained().values(), self.settings.clip)
        self.log("grad_norm", norm, prog_bar=True)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """The average belongs to the step itself: callbacks, which measure and save, run before the module's hooks."""
        super().optimizer_step(*args, **kwargs)
        self.average.step(self.global_step)
        now = time.monotonic()
        self.log("samples/s", self.settings.batch / (now - self._began), prog_bar=True)
        self._began = now

    def rate(self, step: int) -> float:
        t = self.settings
        return warm_cosine(step, steps=t.steps, warmup=t.warmup, end=t.lr_end)

    def configure_optimizers(self) -> Any:
        t = self.settings
        optimizer = torch.optim.AdamW(
            list(self.generator.trained().values()),
            t.lr,
            (0.9, t.beta2),
            weight_decay=t.weight_decay,
            fused=self.device.type == "cuda",
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Trained weights only: frozen ones are made by their recipe, not by the run."""
        trained = {f"generator.{name}" for name in self.generator.trained()}
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
        own = {f"generator.{name}" for name in self.generator.trained()}
        if strict and set(state_dict) != own:
            raise ValueError(f"the checkpoint does not fit this run: {sorted(own ^ set(state_dict))[:3]}")
        return super().load_state_dict(state_dict, strict=False, assign=assign)
