"""Flow matching: a network learns the velocity of straight paths from noise to data; an ODE solver samples.

x_t = t x_1 + (1 - t) x_0      dx_t = x_1 - x_0      loss = |v(x_t, t, condition) - dx_t|^2      t ~ U(0, 1)

x_1 (B, N, D) image tokens      x_0 (B, N, D) standard normal noise      t (B,) from noise (0) to data (1)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config.heads import DenoiserConfig
from headtohead.config.run_config import Sampling
from headtohead.models.objectives.noise import Draws
from headtohead.utils.tensor_shapes import Condition, ContinuousTokens, Grid

HELD_OUT_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
Velocity = Callable[[Tensor, Tensor], Tensor]  # (x_t, t (B,)) -> v


def path(x_0: Tensor, x_1: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The point x_t on the path and its velocity dx_t.

    x_0, x_1  (B, ...) noise and data
    t         (B,)
    """
    t = t.view(-1, *(1,) * (x_1.dim() - 1))
    return t * x_1 + (1 - t) * x_0, x_1 - x_0


def solve(velocity: Velocity, x_0: Tensor, steps: int, solver: str) -> Tensor:
    """Integrate dx/dt = velocity(x, t) from t = 0 to t = 1 in equal steps.

    velocity  (x_t (B, N, D), t (B,)) -> (B, N, D)
    x_0       (B, N, D) noise
    steps     of the solver
    solver    euler, or heun with two evaluations a step except for the last
    """
    x, dt = x_0, 1.0 / steps
    for k in range(steps):
        t = torch.full((len(x),), k * dt, device=x.device, dtype=x.dtype)
        v = velocity(x, t)
        if solver == "heun" and k < steps - 1:
            v = (v + velocity(x + dt * v, t + dt)) / 2
        x = x + dt * v
    return x


class FlowMatching(nn.Module):
    stochastic = True

    def __init__(self, net: nn.Module, settings: DenoiserConfig, grid: Grid) -> None:
        """
        net       (x_t (B, N, D), t (B,), condition) -> velocity (B, N, D)
        settings  of the head: how often training hides the condition
        grid      N tokens of D channels
        """
        super().__init__()
        self.net, self.drop_condition, self.grid = net, settings.drop_condition, grid

    def loss(self, target: ContinuousTokens, condition: Condition, draws: Draws) -> Tensor:
        """The condition is dropped for some rows, as classifier-free guidance needs."""
        x_1 = target.tokens.float()
        keep = draws.uniform() >= self.drop_condition
        t = draws.uniform()
        x_0 = draws.normal(*x_1.shape[1:])
        return self.loss_at(t, x_1, x_0, condition.dropped(keep)).mean()

    def prepared(self, condition: Condition) -> Any:
        """A condition for many evaluations of the network: what depends on it alone is computed once, where the
        network has a `prepare`."""
        prepare: Callable[[Condition], Any] | None = getattr(self.net, "prepare", None)
        return prepare(condition) if prepare else condition

    def loss_at(self, t: Tensor, x_1: Tensor, x_0: Tensor, condition: Any) -> Tensor:
        """(B,) the loss at given times t (B,) with given noise x_0 (B, N, D), under a condition or a prepared one."""
        x_t, dx_t = path(x_0, x_1, t)
        v = self.net(x_t, t, condition)
        return F.mse_loss(v.float(), dx_t.float(), reduction="none").flatten(1).mean(1)

    @torch.no_grad()
    def held_out(self, target: ContinuousTokens, condition: Condition, draws: Draws) -> dict[str, float]:
        """By t: near noise the condition decides, near data x_t itself does."""
        x_1 = target.tokens.float()
        x_0 = draws.normal(*x_1.shape[1:])
        prepared = self.prepared(condition)
        return {
            f"t={t:.1f}": float(self.loss_at(torch.full((len(x_1),), t).to(x_1), x_1, x_0, prepared).mean())
            for t in HELD_OUT_TIMES
        }

    def sample(self, condition: Condition, draws: Draws, how: Sampling) -> ContinuousTokens:
        x_0 = draws.normal(self.grid.tokens, self.grid.channels)
        return ContinuousTokens(solve(self.guided(condition, how.guidance), x_0, how.steps, how.solver))

    def guided(self, condition: Condition, guidance: float) -> Velocity:
        """Velocity with classifier-free guidance, both halves in one pass; a scale of 1 is no guidance."""
        if guidance == 1:
            alone = self.prepared(condition)
            return lambda x, t: self.net(x, t, alone)
        none = torch.zeros_like(condition.states)
        both = self.prepared(Condition(torch.cat([condition.states, none])))

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            v, v_none = self.net(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
            return v_none + guidance * (v - v_none)

        return velocity
