"""Flow matching: a network learns the velocity of straight paths from noise to data; an ODE solver samples.

x_t = t x_1 + (1 - t) x_0      dx_t = x_1 - x_0      loss = |v(x_t, t, condition) - dx_t|^2      t ~ U(0, 1)

x_1 (B, N, D) image tokens      x_0 (B, N, D) standard normal noise      t (B,) from noise (0) to data (1)

Settings of the objective change three things; their defaults are the formulas above:

times    logit_normal: t = 1 / (1 + exp(-z)) with z ~ N(0, 1), so that times near 0 and 1 are rare
shift    t -> t / (s + (1 - s) t), for the drawn times and for the solver's grid alike: s > 1 moves both towards noise
         and keeps 0 and 1 in place. In papers whose time u = 1 - t runs from data to noise, the same map reads
         u -> s u / (1 + (s - 1) u)
predict  x: the network gives x_1, and v = (x_1 - x_t) / (1 - t) in the loss and in the sampler. The loss is then
         |x - x_1|^2 / max(1 - t, NEAR)^2: the velocity's, but for a bounded weight at times above 1 - NEAR
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config.heads import DenoiserConfig
from headtohead.config.objectives import FlowConfig
from headtohead.config.run_config import Sampling
from headtohead.models.objectives.noise import Draws
from headtohead.utils.tensor_shapes import Condition, ContinuousTokens, Grid

HELD_OUT_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
UNSHIFTED = 4096  # dimensions of a picture for which a shift by dimension is 1
NEAR = 0.05  # least 1 - t by which the loss of a prediction of x_1 is divided; every held-out time is farther from 1
Velocity = Callable[[Tensor, Tensor], Tensor]  # (x_t, t (B,)) -> v


def path(x_0: Tensor, x_1: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The point x_t on the path and its velocity dx_t.

    x_0, x_1  (B, ...) noise and data
    t         (B,)
    """
    t = _over(t, x_1)
    return t * x_1 + (1 - t) * x_0, x_1 - x_0


def _over(t: Tensor, x: Tensor) -> Tensor:
    """Times (B,) in a shape that multiplies x (B, ...)."""
    return t.view(-1, *(1,) * (x.dim() - 1))


def shifted(t: Tensor, s: float) -> Tensor:
    """Times in [0, 1] moved towards noise by s > 1, towards data by s < 1; s = 1 changes no bit."""
    return t / (s + (1 - s) * t)


def shift_of(grid: Grid) -> float:
    """The shift by dimension: the more values a picture has, the more noise it takes to hide it."""
    return max(1.0, math.sqrt(grid.tokens * grid.channels / UNSHIFTED))


def solve(velocity: Velocity, x_0: Tensor, steps: int, solver: str, shift: float = 1.0) -> Tensor:
    """Integrate dx/dt = velocity(x, t) from t = 0 to t = 1.

    velocity  (x_t (B, N, D), t (B,)) -> (B, N, D)
    x_0       (B, N, D) noise
    steps     of the solver, equal before they are shifted
    solver    euler, or heun with two evaluations a step except for the last
    shift     s of `shifted`
    """
    x, equal = x_0, 1.0 / steps
    for k in range(steps):
        here, there = (shift + (1 - shift) * j * equal for j in (k, k + 1))
        dt = shift * equal / (here * there)  # the difference of the step's shifted ends
        t = torch.full((len(x),), k * equal / here, device=x.device, dtype=x.dtype)
        v = velocity(x, t)
        if solver == "heun" and k < steps - 1:
            v = (v + velocity(x + dt * v, t + dt)) / 2
        x = x + dt * v
    return x


class FlowMatching(nn.Module):
    stochastic = True

    def __init__(self, net: nn.Module, head: DenoiserConfig, grid: Grid, own: FlowConfig | None = None) -> None:
        """
        net   (x_t (B, N, D), t (B,), condition) -> velocity (B, N, D), or x_1 as `own` says
        head  settings of the head: how often training hides the condition
        grid  N tokens of D channels
        own   settings of the objective
        """
        super().__init__()
        own = own or FlowConfig()
        self.net, self.drop_condition, self.grid = net, head.drop_condition, grid
        self.uniform, self.gives_x = own.times == "uniform", own.predict == "x"
        self.shift = own.shift or shift_of(grid)

    def loss(self, target: ContinuousTokens, condition: Condition, draws: Draws) -> Tensor:
        """The condition is dropped for some rows, as classifier-free guidance needs."""
        x_1 = target.tokens.float()
        keep = draws.uniform() >= self.drop_condition
        t = self.times(draws)
        x_0 = draws.normal(*x_1.shape[1:])
        return self.loss_at(t, x_1, x_0, condition.dropped(keep)).mean()

    def times(self, draws: Draws) -> Tensor:
        """(B,) the times of a training step."""
        return shifted(draws.uniform() if self.uniform else draws.normal().sigmoid(), self.shift)

    def prepared(self, condition: Condition) -> Any:
        """A condition for many evaluations of the network: what depends on it alone is computed once, where the
        network has a `prepare`."""
        prepare: Callable[[Condition], Any] | None = getattr(self.net, "prepare", None)
        return prepare(condition) if prepare else condition

    def loss_at(self, t: Tensor, x_1: Tensor, x_0: Tensor, condition: Any) -> Tensor:
        """(B,) the loss at given times t (B,) with given noise x_0 (B, N, D), under a condition or a prepared one.

        Up to t = 1 - NEAR it is the velocity's mean squared error, whichever of the two the network predicts.
        """
        x_t, dx_t = path(x_0, x_1, t)
        out = self.net(x_t, t, condition).float()
        error = F.mse_loss(out, x_1 if self.gives_x else dx_t.float(), reduction="none").flatten(1).mean(1)
        return error / (1 - t).clamp(min=NEAR).square() if self.gives_x else error

    @torch.no_grad()
    def held_out(self, target: ContinuousTokens, condition: Condition, draws: Draws) -> dict[str, float]:
        """The velocity's error by t: near noise the condition decides, near data x_t itself does."""
        x_1 = target.tokens.float()
        x_0 = draws.normal(*x_1.shape[1:])
        prepared = self.prepared(condition)
        return {
            f"t={t:.1f}": float(self.loss_at(torch.full((len(x_1),), t).to(x_1), x_1, x_0, prepared).mean())
            for t in HELD_OUT_TIMES
        }

    def sample(self, condition: Condition, draws: Draws, how: Sampling) -> ContinuousTokens:
        x_0 = draws.normal(self.grid.tokens, self.grid.channels)
        return ContinuousTokens(solve(self.guided(condition, how), x_0, how.steps, how.solver, self.shift))

    def velocity(self, x_t: Tensor, t: Tensor, condition: Any) -> Tensor:
        """(B, N, D) at x_t (B, N, D) and t (B,) below 1, under a condition or a prepared one."""
        out: Tensor = self.net(x_t, t, condition)
        return (out - x_t) / (1 - _over(t, x_t)) if self.gives_x else out

    def guided(self, condition: Condition, how: Sampling) -> Velocity:
        """Velocity with classifier-free guidance, both halves in one pass; a scale of 1 is no guidance."""
        if how.guidance == 1:
            alone = self.prepared(condition)
            return lambda x, t: self.velocity(x, t, alone)
        none = torch.zeros_like(condition.states)
        both = self.prepared(Condition(torch.cat([condition.states, none])))

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            v, v_none = self.velocity(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
            within = (t >= how.guidance_from) & (t <= how.guidance_until)
            return v_none + _over(torch.where(within, how.guidance, 1.0), x) * (v - v_none)

        return velocity
