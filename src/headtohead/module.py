"""The LightningModule: one for all designs. It knows queries, a head and an optimizer, and no axis by name."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from headtohead.config import TrainConfig
from headtohead.data.encoded import StepBatch
from headtohead.foundations.fit import warm_cosine
from headtohead.heads.base import GenerationHead
from headtohead.query import QueryEncoder
from headtohead.shapes import Condition


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

    def __exit__(self, *_: object) -> None:
        self._put(self._own)

    @torch.no_grad()
    def _put(self, weights: dict[str, Tensor]) -> None:
        for name, p in self.generator.trained().items():
            p.copy_(weights[name])


class DesignModule(L.LightningModule):
    def __init__(self, generator: Generator, train: TrainConfig, seed: int) -> None:
        super().__init__()
        self.generator, self.settings, self.seed = generator, train, seed
        self.average = Average(generator, train.ema)

    def on_train_batch_start(self, *_: Any) -> None:
        self._began = time.monotonic()

    def training_step(self, batch: StepBatch, _: int) -> Tensor:
        # Noise and times of a step depend on seed and step alone, so a resumed run draws what it would have drawn.
        torch.manual_seed(self.seed * 1_000_003 + self.global_step)
        condition = self.generator.condition(batch.captions)
        loss = self.generator.generation.loss(batch.x_1, condition)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        norm = nn.utils.clip_grad_norm_(self.generator.trained().values(), self.settings.clip)
        self.log("grad_norm", norm, prog_bar=True)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """The average belongs to the step itself: callbacks, which measure and save, run before the module's hooks."""
        super().optimizer_step(*args, **kwargs)
        self.average.step(self.global_step)
        self.log("samples/s", self.settings.batch / (time.monotonic() - self._began), prog_bar=True)

    def rate(self, step: int) -> float:
        t = self.settings
        return warm_cosine(step, steps=t.steps, warmup=t.warmup, end=t.lr_end)

    def configure_optimizers(self) -> Any:
        t = self.settings
        optimizer = torch.optim.AdamW(
            list(self.generator.trained().values()), t.lr, (0.9, t.beta2), weight_decay=t.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Trained weights only: frozen ones are made by their recipe, not by the run."""
        trained = {f"generator.{name}" for name in self.generator.trained()}
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in trained}
        checkpoint["average"] = self.average.weights

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, value in checkpoint["average"].items():
            self.average.weights[name].copy_(value)

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        own = {f"generator.{name}" for name in self.generator.trained()}
        if strict and set(state_dict) != own:
            raise ValueError(f"the checkpoint does not fit this run: {sorted(own ^ set(state_dict))[:3]}")
        return super().load_state_dict(state_dict, strict=False, assign=assign)
