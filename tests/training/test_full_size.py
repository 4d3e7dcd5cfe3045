"""The paper's head at its own size takes one step: loss, gradients, clipping, AdamW, average; nothing is scaled down.

AdamW's moments and the average go from unit to unit, as several ranks would hold them: the first step of each is the
step of all, and weights and gradients are what has to fit.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.models import build as heads
from headtohead.models.objectives.noise import fresh
from headtohead.training.lightning_module import Learner
from headtohead.utils.compute import autocast
from headtohead.utils.processes import isolated
from headtohead.utils.tensor_shapes import Condition, Grid

PICTURES, WIDTH, GRID = 2, 2048, Grid(8, 8, 1792)  # Llama-3.2-1B's states, EVA02-E's tokens
A_WEIGHT = 4 + 4 + 2  # bytes: itself, its gradient, autocast's copy
BESIDE = 3.0  # GB: activations, one unit's moments, the packages


class Share(nn.Module):
    """One rank's part of the weights, as a learner wants it."""

    def __init__(self, own: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.own = own

    def trained(self) -> dict[str, nn.Parameter]:
        return self.own


def config() -> RunConfig:
    return configure(
        "clip_flow", "paper", overrides={"compute.compile": False}
    )  # a compiler's minutes show nothing here


def shares(head: nn.Module) -> list[dict[str, nn.Parameter]]:
    """Block by block, and what is left."""
    out: dict[str, dict[str, nn.Parameter]] = {}
    for name, p in head.named_parameters():
        out.setdefault(name.split(".")[2] if ".blocks." in name else "", {})[name] = p
    return list(out.values())


def one_step() -> dict[str, Any]:
    began, run = time.monotonic(), config()
    torch.manual_seed(0)
    head: Any = heads.build(run, GRID, WIDTH)
    closed = [name for name, p in head.named_parameters() if not p.any()]
    with torch.no_grad():
        for name, p in head.named_parameters():
            if name in closed:  # gates that begin at 0 would hide from the first gradient whatever is behind them
                p.normal_(std=0.02)
    states = torch.randn(PICTURES, run.query.number, WIDTH, requires_grad=True)
    x_1 = torch.randn(PICTURES, GRID.tokens, GRID.channels)
    with autocast(run.compute.precision, "cpu"):
        loss: Tensor = head.loss(x_1, Condition(states), fresh(x_1))
    loss.backward()
    weights = dict(head.named_parameters())
    idle = [name for name, p in weights.items() if p.grad is None or not p.grad.any()]
    before = float(nn.utils.clip_grad_norm_(weights.values(), run.train.clip))
    after = float(nn.utils.get_total_norm([p.grad for p in weights.values() if p.grad is not None]))
    still, apart = [], []
    for own in shares(head):
        was = {name: p.detach().clone() for name, p in own.items()}
        learner = Learner(Share(own), run.train, run.compute, run.seed)
        made = learner.configure_optimizers()  # with its schedule, at the first step of the warm-up
        made["optimizer"].step()
        learner.average.step(1)
        still += [name for name, p in own.items() if torch.equal(p, was[name]) or not p.isfinite().all()]
        apart += [n for n, w in learner.average.weights.items() if torch.equal(w, was[n]) or torch.equal(w, own[n])]
    assert states.grad is not None
    return {
        "parameters": sum(p.numel() for p in weights.values()), "closed": len(closed), "loss": float(loss.detach()),
        "condition": float(states.grad.norm()), "idle": idle, "norm": (before, after), "still": still,
        "apart": apart, "seconds": time.monotonic() - began,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }  # fmt: skip


def available_gb() -> float:
    found = Path("/proc/meminfo")
    lines = found.read_text().splitlines() if found.exists() else []
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable")), 0.0)


@pytest.mark.slow
def test_the_papers_head_takes_a_step_at_full_size(capsys: pytest.CaptureFixture[str]) -> None:
    with torch.device("meta"):
        size = sum(p.numel() for p in heads.build(config(), GRID, WIDTH).parameters())
    needed = size * A_WEIGHT / 1e9 + BESIDE
    if available_gb() < needed:
        pytest.skip(f"{needed:.0f} GB of memory are needed, {available_gb():.0f} are free")
    told = isolated(one_step)
    with capsys.disabled():
        print(f"\n  {size / 1e9:.3f} B parameters: {told['seconds']:.0f} s, at most {told['peak_gb']:.1f} GB")
    assert told["parameters"] == size
    assert 1.35e9 < size < 1.45e9
    assert told["closed"] > 0
    assert 0.1 < told["loss"] < 10
    assert told["condition"] > 0
    before, after = told["norm"]
    assert before > 1  # or nothing was clipped
    assert after == pytest.approx(1.0, rel=1e-3)
    assert (told["idle"], told["still"], told["apart"]) == ([], [], [])
