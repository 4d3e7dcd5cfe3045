"""Standardised image tokens: their statistics, and objectives that see nothing else of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from headtohead.config.heads import DenoiserConfig, HeadConfig
from headtohead.config.parsing import ConfigError
from headtohead.config.presets import configure
from headtohead.config.run_config import Sampling
from headtohead.models import build
from headtohead.models.objectives.flow_matching import FlowMatching
from headtohead.models.objectives.noise import fresh
from headtohead.models.objectives.regression import Regression
from headtohead.models.standard import Standard, Standardised
from headtohead.utils.tensor_shapes import CodeGrid, Condition, ContinuousTokens, Grid

GRID = Grid(2, 2, 3)


def tokens(number: int) -> Tensor:
    """Every position and channel with a mean and a deviation of its own."""
    made = torch.Generator().manual_seed(0)
    mean, std = (torch.rand(4, 3, generator=made) * scale for scale in (5, 2))
    return mean + (std + 0.1) * torch.randn(number, 4, 3, generator=made)


@pytest.mark.parametrize("positions", [4, 1])
def test_measured_tokens_have_mean_0_and_deviation_1(positions: int) -> None:
    x, standard = tokens(1000), Standard(positions, 3)
    standard.use(standard.measured(x.split(64)))
    target = Standardised(Regression(nn.Identity(), HeadConfig(), GRID), standard)._learned(ContinuousTokens(x)).tokens
    over = (0,) if positions == 4 else (0, 1)
    assert torch.allclose(target.mean(over), torch.zeros(3), atol=1e-4)
    assert torch.allclose(target.std(over, correction=0), torch.ones(3), atol=1e-3)
    assert (target.mean(0).abs().max() < 1e-4) == (positions == 4)


def test_what_never_varies_does_not_become_noise() -> None:
    standard = Standard(4, 3)
    standard.use(standard.measured([torch.full((8, 4, 3), 2.0)]))
    assert torch.equal(standard.mean, torch.full((4, 3), 2.0))
    assert torch.allclose(standard.std, torch.tensor(0.01))


class Far(nn.Module):
    """Straight to the condition, in the objective's own tokens."""

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return (condition.states - x) / (1 - t.view(-1, 1, 1)).clamp(min=1e-3)


def test_the_objective_learns_standardised_tokens_and_gives_those_of_the_codec() -> None:
    x, standard = tokens(64), Standard(4, 3)
    standard.use(standard.measured([x]))
    own = FlowMatching(Far(), DenoiserConfig(drop_condition=0.0), GRID)
    outer = Standardised(own, standard)
    inner = Condition((x - standard.mean) / standard.std)
    assert outer.stochastic
    painted = outer.sample(inner, fresh(64, "cpu"), Sampling(steps=20, guidance=1.0)).tokens
    assert torch.allclose(painted, x, atol=1e-3)
    assert max(outer.held_out(ContinuousTokens(x), inner, fresh(64, "cpu")).values()) < 1e-6
    expected = own.loss(ContinuousTokens(inner.states), inner, fresh(64, "cpu", 5))
    assert torch.equal(outer.loss(ContinuousTokens(x), inner, fresh(64, "cpu", 5)), expected)


def test_the_setting_says_what_is_measured() -> None:
    def of(**given: str) -> Standard | None:
        return build.standard(configure("vae_flow", overrides={f"codec.{k}": v for k, v in given.items()}), GRID)

    assert of() is of(standardise="model") is None
    channel, position = of(standardise="channel"), of(standardise="position")
    assert channel is not None
    assert position is not None
    assert (channel.mean.shape, position.mean.shape) == ((1, 3), (4, 3))
    with pytest.raises(ConfigError, match=r"^codec.standardise=channel: image tokens of vae are codes"):
        build.standard(configure("vae_flow", overrides={"codec.standardise": "channel"}), CodeGrid(2, 2, 11))
    with pytest.raises(ConfigError, match=r"codec\.standardise positon; did you mean position\?"):
        of(standardise="positon")


def test_statistics_of_other_tokens_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "standard.safetensors"
    for there in (None, {"mean": torch.zeros(3)}, Standard(9, 3).statistics):
        if there:
            save_file(there, path)
        with pytest.raises(ConfigError, match="holds no mean and deviation of these image tokens"):
            Standard(4, 3).read(path)
    save_file({key: 2 * torch.ones(4, 3) for key in Standard(4, 3).statistics}, path)
    (standard := Standard(4, 3)).read(path)
    assert torch.equal(standard.std, 2 * torch.ones(4, 3))
