"""Flow matching: a straight path from noise to data, its velocity as target, an ODE solver to walk it.

x_t = t x_1 + (1 - t) x_0        v = dx_t/dt = x_1 - x_0        t ~ U(0, 1)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config.run_config import Sampling
from headtohead.models.objectives.noise import Draws
from headtohead.utils.tensor_shapes import Condition

HELD_OUT_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
Velocity = Callable[[Tensor, Tensor], Tensor]  # (x_t, t (B,)) -> v


def path(x_0: Tensor, x_1: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The point x_t on the way from noise to data, and the velocity there; t is (B,)."""
    t = t.view(-1, *(1,) * (x_1.dim() - 1))
    return t * x_1 + (1 - t) * x_0, x_1 - x_0


def solve(velocity: Velocity, x_0: Tensor, steps: int, solver: str) -> Tensor:
    """Walk from t = 0 to t = 1 in equal steps."""
    x, dt = x_0, 1.0 / steps
    for k in range(steps):
        t = torch.full((len(x),), k * dt, device=x.device, dtype=x.dtype)
        v = velocity(x, t)
        if solver == "heun" and k < steps - 1:
            v = (v + velocity(x + dt * v, t + dt)) / 2
        x = x + dt * v
    return x


class FlowHead(nn.Module):
    draws = True

    def __init__(self, net: nn.Module, drop_condition: float) -> None:
        super().__init__()
        self.net, self.drop_condition = net, drop_condition

    def loss(self, x_1: Tensor, condition: Condition, draws: Draws) -> Tensor:
        """Some conditions are dropped, so that guidance has something to compare with."""
        keep = draws.uniform(x_1) >= self.drop_condition
        t = draws.uniform(x_1)
        return self.loss_at(t, x_1, draws.normal(x_1), condition.dropped(keep)).mean()

    def loss_at(self, t: Tensor, x_1: Tensor, x_0: Tensor, condition: Condition) -> Tensor:
        """(B,) the loss at chosen times and noise."""
        x_t, dx_t = path(x_0, x_1, t)
        v = self.net(x_t, t, condition)
        return F.mse_loss(v.float(), dx_t.float(), reduction="none").flatten(1).mean(1)

    @torch.no_grad()
    def held_out(self, x_1: Tensor, x_0: Tensor, condition: Condition) -> dict[str, float]:
        """By t: near noise the condition decides, near data the picture itself does."""
        return {
            f"t={t:.1f}": float(self.loss_at(torch.full((len(x_1),), t).to(x_1), x_1, x_0, condition).mean())
            for t in HELD_OUT_TIMES
        }

    def sample(self, condition: Condition, x_0: Tensor, how: Sampling) -> Tensor:
        return solve(self.guided(condition, how.guidance), x_0, how.steps, how.solver)

    def guided(self, condition: Condition, guidance: float) -> Velocity:
        """The velocity, moved away from what it would be without the condition; both in one pass."""
        if guidance == 1:
            return lambda x, t: self.net(x, t, condition)
        none = torch.zeros_like(condition.states)
        both = Condition(torch.cat([condition.states, none]))

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            v, v_none = self.net(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
            return v_none + guidance * (v - v_none)

        return velocity
