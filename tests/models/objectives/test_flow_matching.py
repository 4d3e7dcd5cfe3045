"""Path and solver against diffusers' scheduler and against fields whose solution is known."""

from __future__ import annotations

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn

from headtohead.config.heads import DenoiserConfig
from headtohead.config.run_config import Sampling
from headtohead.models.objectives.flow_matching import FlowMatching, path, solve
from headtohead.models.objectives.noise import fresh
from headtohead.utils.tensor_shapes import Condition, ContinuousTokens, Grid


def field(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(3 * x) - x * t.view(-1, 1, 1)


@pytest.mark.parametrize("steps", [1, 7, 30])
def test_euler_agrees_with_diffusers(steps: int) -> None:
    """Theirs runs from sigma = 1 (noise) to 0 with the velocity noise - data; ours from t = 0 to 1 the other way."""
    x_0 = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[1 - k / steps for k in range(steps)])
    x = x_0.clone()
    for sigma, timestep in zip(scheduler.sigmas[:-1].double(), scheduler.timesteps, strict=True):
        v = -field(x, (1 - sigma).expand(2))
        x = scheduler.step(v, timestep, x, return_dict=False)[0].double()
    assert torch.allclose(solve(field, x_0, steps, "euler"), x, atol=1e-5)


def test_heun_converges_faster_than_euler() -> None:
    x_0 = torch.randn(4, 3, 2, dtype=torch.float64)
    exact = solve(field, x_0, 4000, "heun")
    error = {solver: [(solve(field, x_0, n, solver) - exact).norm() for n in (20, 40)] for solver in ("euler", "heun")}
    assert error["euler"][0] / error["euler"][1] == pytest.approx(2, rel=0.2)
    assert error["heun"][1] < error["euler"][1] / 5


def test_the_path_is_straight_with_constant_velocity() -> None:
    x_0, x_1 = torch.randn(2, 3, 4, 5)
    start, v = path(x_0, x_1, torch.zeros(3))
    end, _ = path(x_0, x_1, torch.ones(3))
    assert torch.equal(start, x_0)
    assert torch.equal(end, x_1)
    assert torch.allclose(start + v, end, atol=1e-6)
    middle, _ = path(x_0, x_1, torch.tensor([0.25, 0.5, 1.0]))
    assert torch.allclose(middle[0], 0.25 * x_1[0] + 0.75 * x_0[0])


class Told(nn.Module):
    """A velocity net that goes straight to what the condition says (to 0 without one)."""

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return (condition.states - x) / (1 - t.view(-1, 1, 1)).clamp(min=1e-3)


def flow(drop_condition: float = 0.1) -> FlowMatching:
    return FlowMatching(Told(), DenoiserConfig(drop_condition=drop_condition), Grid(2, 2, 2))


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_sampling_arrives_where_the_field_leads(solver: str) -> None:
    head, goal = flow(), Condition(torch.randn(3, 4, 2))
    out = head.sample(goal, fresh(3, "cpu"), Sampling(steps=20, guidance=1.0, solver=solver))  # type: ignore[arg-type]
    assert torch.allclose(out.tokens, goal.states, atol=1e-4)


def test_guidance_moves_away_from_what_comes_without_condition() -> None:
    head, goal = flow(), Condition(torch.ones(1, 4, 2))
    out = head.sample(goal, fresh(1, "cpu"), Sampling(steps=50, guidance=3.0))
    assert torch.allclose(out.tokens, 3 * goal.states, atol=1e-3)


class Constant(nn.Module):
    """A velocity net whose velocity is the condition, wherever and whenever."""

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return condition.states


def test_guidance_within_an_interval_acts_for_its_share_of_the_path() -> None:
    head, goal = FlowMatching(Constant(), DenoiserConfig(), Grid(2, 2, 2)), Condition(torch.ones(1, 4, 2))
    how = Sampling(steps=20, guidance=3.0, guidance_from=0.18, guidance_until=0.68)
    whole = head.sample(goal, fresh(1, "cpu"), Sampling(steps=20, guidance=3.0)).tokens
    part = head.sample(goal, fresh(1, "cpu"), how).tokens
    alone = head.sample(goal, fresh(1, "cpu"), Sampling(steps=20, guidance=1.0)).tokens
    assert torch.allclose(part, (whole + alone) / 2, atol=1e-5)  # ten of twenty steps


class Prepares(Told):
    """It prepares a condition, once a sample, and reads no other."""

    def __init__(self) -> None:
        super().__init__()
        self.prepared = 0

    def prepare(self, condition: Condition) -> tuple[Condition]:
        self.prepared += 1
        return (condition,)

    def forward(self, x: Tensor, t: Tensor, condition: tuple[Condition]) -> Tensor:  # type: ignore[override]
        (own,) = condition
        return super().forward(x, t, own)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_network_that_prepares_conditions_does_so_once_a_sample(guidance: float) -> None:
    net, goal = Prepares(), Condition(torch.randn(3, 4, 2))
    head = FlowMatching(net, DenoiserConfig(drop_condition=0.1), Grid(2, 2, 2))
    out = head.sample(goal, fresh(3, "cpu"), Sampling(steps=5, guidance=guidance))
    assert net.prepared == 1
    expected = flow().sample(goal, fresh(3, "cpu"), Sampling(steps=5, guidance=guidance))
    assert torch.equal(out.tokens, expected.tokens)
    head.held_out(ContinuousTokens(torch.randn(3, 4, 2)), goal, fresh(3, "cpu"))
    assert net.prepared == 2


def test_the_right_field_has_no_loss() -> None:
    head, x_1, x_0, t = flow(0.0), torch.randn(8, 4, 2), torch.randn(8, 4, 2), torch.rand(8) * 0.9
    assert head.loss_at(t, x_1, x_0, Condition(x_1)).max() < 1e-8
    assert head.loss_at(t, x_1, x_0, Condition(x_1 + 1)).min() > 0.5
