"""The training loop of the pretrained models: resumable, and determined by its seed.

Data and noise of a step depend on the seed and the step alone, so that a training's state is the model, its average,
the optimizer and the number of steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from headtohead.utils import compute, files

Loss = Callable[[nn.Module, int, str], dict[str, Tensor]]  # (model, step, device) -> named terms; "loss" is their sum


@dataclass(frozen=True)
class Budget:
    """Length, optimizer settings and precision of a training."""

    steps: int
    batch: int
    lr: float
    warmup: int = 100
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    ema: float = 0.995
    bf16: bool = False


@dataclass
class Fitted:
    """The result of a training."""

    model: nn.Module  # the moving average of the weights
    seconds: float
    flops: float  # of the whole training, from its first step's
    history: list[dict[str, float]]


def warm_cosine(step: int, *, steps: int, warmup: int, end: float) -> float:
    """Share of the learning rate at a step: a linear warm-up, then a cosine down to `end`."""
    if step < warmup:
        return (step + 1) / warmup
    along = (step - warmup) / max(1, steps - warmup)
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, along)))


def rate(budget: Budget, step: int) -> float:
    """Share of the learning rate at a step: warm-up, then a cosine down to 1 %."""
    return warm_cosine(step, steps=budget.steps, warmup=budget.warmup, end=0.01)


def fit(
    name: str,
    model: nn.Module,
    loss: Loss,
    budget: Budget,
    *,
    seed: int,
    work: Path,
    device: str,
    say: Callable[[str], None] = print,
    save_every: float = 120.0,
) -> Fitted:
    """Train a model, resuming from `work/<name>.pt` if that exists.

    name        of the model, for the state's file and messages
    model       to be trained
    loss        (model, step, device) to named terms, of which "loss" is their sum
    budget      length and optimizer settings
    seed        of the noise of each step
    work        folder of the state
    device      cpu or cuda
    say         prints a line
    save_every  seconds between two saved states
    """
    model = model.to(device).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, budget.lr, budget.betas, weight_decay=budget.weight_decay, fused=True)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(budget.ema), use_buffers=True)
    state_path, step, seconds, history = work / f"{name}.pt", 0, 0.0, list[dict[str, float]]()
    flops = 0.0  # of a step
    if state_path.exists():
        state = torch.load(state_path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds, history, flops = state["step"], state["seconds"], state["history"], state["flops"]
        if step < budget.steps:
            say(f"{name}: resuming at step {step}")
    begun, precision = step, "bf16" if budget.bf16 else "float32"
    saved = printed = started = time.monotonic()
    while step < budget.steps:
        torch.manual_seed(seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = budget.lr * rate(budget, step)
        optimizer.zero_grad(set_to_none=True)
        with nullcontext() if step else compute.counter() as counted:
            with compute.autocast(precision, device):
                terms = loss(model, step, device)
            with compute.products(precision, device):
                terms["loss"].backward()
        flops = float(counted.get_total_flops()) if counted else flops
        nn.utils.clip_grad_norm_(trained, budget.clip)
        optimizer.step()
        average.update_parameters(model)
        step += 1
        now = time.monotonic()
        if now - printed > 20 or step == budget.steps or step == 1:
            values = {k: round(float(v.detach()), 4) for k, v in terms.items()}
            spent, left = seconds + now - started, (now - started) / (step - begun) * (budget.steps - step)
            shown = ", ".join(f"{k} {v}" for k, v in values.items())
            say(f"{name}: step {step:,} of {budget.steps:,}, about {left / 60:.0f} min left, {shown}")
            history.append({"step": step, "seconds": round(spent, 1), **values})
            printed = now
        if now - saved > save_every or step == budget.steps:
            _save(state_path, model, average, optimizer, step, seconds + now - started, history, flops)
            saved = now
    return Fitted(_averaged(average), seconds + time.monotonic() - started, flops * budget.steps, history)


def _averaged(average: AveragedModel) -> nn.Module:
    module: nn.Module = average.module
    return module.eval().requires_grad_(False)


def _save(
    path: Path,
    model: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
    history: list[dict[str, float]],
    flops: float,
) -> None:
    """Write the state atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    with files.beside(path) as part:
        torch.save({**state, "step": step, "seconds": seconds, "history": history, "flops": flops}, part)
