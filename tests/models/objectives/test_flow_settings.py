"""Settings of flow matching: the defaults are the paper's formulas bit for bit, the others against known solutions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.config.heads import DenoiserConfig
from headtohead.config.objectives import FlowConfig
from headtohead.config.run_config import Sampling
from headtohead.models.objectives.flow_matching import HELD_OUT_TIMES, NEAR, FlowMatching, shift_of, shifted, solve
from headtohead.models.objectives.noise import fresh
from headtohead.utils.tensor_shapes import Condition, ContinuousTokens, Grid

GRID = Grid(2, 2, 3)


def flow(net: nn.Module, drop: float = 0.1, grid: Grid = GRID, **own: Any) -> FlowMatching:
    return FlowMatching(net, DenoiserConfig(drop_condition=drop), grid, FlowConfig(**own))


class Crooked(nn.Module):
    """A field without any symmetry, so that every rounding shows."""

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return torch.sin(3 * x) - x * t.view(-1, 1, 1).exp() + 0.3 * condition.states


def batch(number: int) -> tuple[ContinuousTokens, Condition]:
    made = torch.Generator().manual_seed(number)
    tokens, states = (torch.randn(number, GRID.tokens, GRID.channels, generator=made) for _ in range(2))
    return ContinuousTokens(tokens), Condition(states)


def test_the_defaults_train_by_the_papers_formulas_bit_for_bit() -> None:
    target, condition = batch(64)
    draws, x_1 = fresh(64, "cpu", 7), target.tokens
    keep, t, x_0 = draws.uniform() >= 0.1, draws.uniform(), draws.normal(GRID.tokens, GRID.channels)
    over = t.view(-1, 1, 1)
    v = Crooked()(over * x_1 + (1 - over) * x_0, t, condition.dropped(keep))
    expected = F.mse_loss(v, x_1 - x_0, reduction="none").flatten(1).mean(1).mean()
    assert torch.equal(flow(Crooked()).loss(target, condition, fresh(64, "cpu", 7)), expected)
    assert torch.equal(
        FlowMatching(Crooked(), DenoiserConfig(), GRID).loss(target, condition, fresh(64, "cpu", 7)), expected
    )


@pytest.mark.parametrize("solver", ["euler", "heun"])
@pytest.mark.parametrize("steps", [1, 7, 20, 30])
def test_the_defaults_sample_in_equal_steps_bit_for_bit(steps: int, solver: Any) -> None:
    _, condition = batch(8)
    x, dt = fresh(8, "cpu").normal(GRID.tokens, GRID.channels), 1.0 / steps
    for k in range(steps):
        t = torch.full((8,), k * dt)
        v = Crooked()(x, t, condition)
        if solver == "heun" and k < steps - 1:
            v = (v + Crooked()(x + dt * v, t + dt, condition)) / 2
        x = x + dt * v
    out = flow(Crooked()).sample(condition, fresh(8, "cpu"), Sampling(steps=steps, guidance=1.0, solver=solver))
    assert torch.equal(out.tokens, x)


def test_times_have_the_stated_distribution() -> None:
    for times, law in (("uniform", stats.uniform()), ("logit_normal", None)):
        t = flow(Crooked(), times=times).times(fresh(20_000, "cpu", 3)).double().numpy()
        drawn, known = (t, law) if law else (stats.logistic.ppf(t), stats.norm())
        assert stats.kstest(drawn, known.cdf).pvalue > 0.01
        assert 0 <= t.min() < t.max() < 1


def test_a_shift_moves_times_towards_noise_and_keeps_the_ends() -> None:
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    for s in (0.25, 1.0, 3.0, 6.93):
        moved = shifted(t, s)
        assert (moved[0], moved[-1]) == (0, 1)
        assert (moved.diff() > 0).all()
        assert torch.allclose(shifted(moved, 1 / s), t)
        u = 1 - t  # the other direction of time, in which the map is usually written
        assert torch.allclose(1 - moved, s * u / (1 + (s - 1) * u))
    assert torch.equal(shifted(t, 1.0), t)
    assert (shifted(t, 3.0)[1:-1] < t[1:-1]).all()
    drawn = flow(Crooked(), shift=3.0).times(fresh(1000, "cpu", 3))
    assert torch.equal(drawn, shifted(fresh(1000, "cpu", 3).uniform(), 3.0))


@pytest.mark.parametrize("s", [0.5, 1.0, 5.29])
def test_the_solver_steps_over_the_shifted_grid(s: float) -> None:
    seen: list[float] = []

    def field(x: Tensor, t: Tensor) -> Tensor:
        seen.append(float(t[0]))
        return 2 * t.view(-1, 1, 1).expand_as(x)

    x_0 = torch.zeros(1, 1, 1, dtype=torch.float64)
    end = solve(field, x_0, 10, "euler", s)
    grid = shifted(torch.linspace(0, 1, 11, dtype=torch.float64), s)
    assert seen == pytest.approx(grid[:-1].tolist())
    assert float(end) == pytest.approx(float((2 * grid[:-1] * grid.diff()).sum()))  # the left Riemann sum of t^2
    heun = solve(field, x_0, 10, "heun", s)
    last = 2 * float(grid[-2] * grid.diff()[-1])
    assert float(heun) == pytest.approx(float(grid[-2]) ** 2 + last)  # exact for a field linear in t, but the last step


def test_the_shift_by_dimension() -> None:
    assert shift_of(Grid(16, 16, 768)) == pytest.approx(6.93, abs=0.005)
    assert flow(Crooked(), grid=Grid(8, 8, 1792), shift=0.0).shift == pytest.approx(math.sqrt(28))
    assert flow(Crooked(), grid=Grid(4, 4, 192), shift=0.0).shift == 1.0


class Gaussian(nn.Module):
    """What is optimal where x_1 ~ N(states, DEVIATION^2) and x_0 ~ N(0, 1), independent in every channel."""

    def __init__(self, gives_x: bool) -> None:
        super().__init__()
        self.gives_x = gives_x

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        t, mean = t.view(-1, 1, 1), condition.states
        off, variance = x - t * mean, (t * DEVIATION) ** 2 + (1 - t) ** 2
        if self.gives_x:
            return mean + t * DEVIATION**2 / variance * off  # E[x_1 | x_t]
        return mean + (t * DEVIATION**2 - (1 - t)) / variance * off  # E[x_1 - x_0 | x_t]


DEVIATION = 0.6


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("shift", [1.0, 4.0])
@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_both_predictions_sample_alike_from_a_gaussian(solver: Any, shift: float, guidance: float) -> None:
    _, condition = batch(512)
    how = Sampling(steps=50, guidance=guidance, solver=solver)
    v, x = (
        flow(Gaussian(predict == "x"), shift=shift, predict=predict).sample(condition, fresh(512, "cpu"), how).tokens
        for predict in ("velocity", "x")
    )
    assert torch.allclose(v, x, atol=1e-4)
    if guidance == 1:  # the flow maps noise onto data in order: x_1 = mean + deviation x_0
        x_0 = fresh(512, "cpu").normal(GRID.tokens, GRID.channels)
        assert (x - condition.states - DEVIATION * x_0).abs().mean() < (0.05 if solver == "euler" else 0.01)


@pytest.mark.parametrize("own", [{}, {"times": "logit_normal", "shift": 3.0}])
def test_the_held_out_loss_is_the_velocitys_error_whatever_is_predicted(own: dict[str, Any]) -> None:
    _, condition = batch(4096)
    noise = torch.randn(4096, GRID.tokens, GRID.channels, generator=torch.Generator().manual_seed(1))
    target = ContinuousTokens(condition.states + DEVIATION * noise)
    v, x = (
        flow(Gaussian(predict == "x"), predict=predict, **own).held_out(target, condition, fresh(4096, "cpu"))
        for predict in ("velocity", "x")
    )
    assert x == pytest.approx(v, rel=1e-4)
    for t, error in zip(HELD_OUT_TIMES, v.values(), strict=True):
        optimal = DEVIATION**2 / ((t * DEVIATION) ** 2 + (1 - t) ** 2)  # the variance of x_1 - x_0 given x_t
        assert error == pytest.approx(optimal, rel=0.03)


def test_the_loss_of_a_predicted_x_is_bounded_near_data() -> None:
    target, condition = batch(8)
    x_1, x_0 = target.tokens, torch.randn_like(target.tokens)
    head = flow(Gaussian(True), predict="x")
    for t in (0.3, 1 - NEAR, 0.999, 1.0):
        times = torch.full((8,), t)
        x_t = t * x_1 + (1 - t) * x_0
        error = (Gaussian(True)(x_t, times, condition) - x_1).square().flatten(1).mean(1)
        assert torch.allclose(head.loss_at(times, x_1, x_0, condition), error / max(1 - t, NEAR) ** 2, rtol=1e-4)
