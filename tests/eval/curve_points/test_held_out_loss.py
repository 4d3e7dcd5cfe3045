"""The conditioning gain of made designs: one that reads its captions by a known amount, and one that ignores them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headtohead.config.heads import DenoiserConfig, HeadConfig
from headtohead.config.presets import configure
from headtohead.eval.curve_points.held_out_loss import HeldOut, losses, shuffled
from headtohead.models.generator import Generator
from headtohead.models.objectives.flow_matching import HELD_OUT_TIMES, FlowMatching
from headtohead.models.objectives.regression import Regression
from headtohead.utils.tensor_shapes import Condition, ContinuousTokens, Grid

N, GRID = 240, Grid(2, 2, 3)
CAPTIONS = [f"caption {k}" for k in range(N)]
SAYS = torch.randn(N, GRID.tokens, GRID.channels, generator=torch.Generator().manual_seed(1))  # what a caption tells
REST = 0.5 * torch.randn(SAYS.shape, generator=torch.Generator().manual_seed(2))  # what none tells
PICTURES = SAYS + REST


class Encoder(nn.Module):
    """The state of a caption is what it tells of its picture."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, prompts: list[str]) -> Condition:
        return Condition(SAYS[[CAPTIONS.index(prompt) for prompt in prompts]])


class Flow(nn.Module):
    """Heads for the picture that the condition tells of, or always for the same one."""

    def __init__(self, reads: bool) -> None:
        super().__init__()
        self.reads = reads

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return (self.reads * condition.states - x) / (1 - t.view(-1, 1, 1))


class Mean(Flow):
    def forward(self, condition: Condition) -> Tensor:  # type: ignore[override]
        return self.reads * condition.states


def measured(kind: str, reads: bool) -> dict[str, float]:
    head = (
        FlowMatching(Flow(reads), DenoiserConfig(), GRID)
        if kind == "flow"
        else Regression(Mean(reads), HeadConfig(), GRID)
    )
    generator = Generator(Encoder(), head)  # type: ignore[arg-type]
    return losses(configure("clip_flow"), generator, HeldOut(CAPTIONS, ContinuousTokens(PICTURES)), "cpu")


@pytest.mark.parametrize("kind", ["flow", "mse"])
def test_a_design_that_reads_gains_what_its_captions_tell(kind: str) -> None:
    found = measured(kind, reads=True)
    other = SAYS[shuffled(CAPTIONS)]
    true, wrong, none = (float((PICTURES - c).pow(2).mean()) for c in (SAYS, other, torch.zeros(())))
    parts = {f"t={t}": (1 - t) ** 2 for t in HELD_OUT_TIMES} if kind == "flow" else {"mse": 1.0}
    for part, scale in parts.items():
        assert found[f"loss/{part}"] * scale == pytest.approx(true, rel=1e-4)
        assert found[f"gain/shuffled/{part}"] * scale == pytest.approx(wrong - true, rel=1e-4)
        assert found[f"gain/none/{part}"] * scale == pytest.approx(none - true, rel=1e-4)
    for over in ("shuffled", "none"):
        assert found[f"gain/{over}"] == pytest.approx(np.mean([found[f"gain/{over}/{part}"] for part in parts]))
    assert found["gain/share"] == pytest.approx(1 - true / wrong, rel=1e-4)
    assert found["gain/share"] == pytest.approx(2 / (2 + 0.25), abs=0.02)  # twice the variance of what captions tell


@pytest.mark.parametrize("kind", ["flow", "mse"])
def test_a_design_that_ignores_its_captions_gains_exactly_nothing(kind: str) -> None:
    """Exactly, as the noise is the same under every caption."""
    found = measured(kind, reads=False)
    gains = {name: value for name, value in found.items() if name.startswith("gain/")}
    assert len(gains) == (13 if kind == "flow" else 5)
    assert set(gains.values()) == {0.0}
    assert min(value for name, value in found.items() if name.startswith("loss/")) > 0


@pytest.mark.parametrize("repeats", [1, 2, 7, 60, 120])
def test_no_sample_keeps_its_caption_and_each_caption_is_used_once(repeats: int) -> None:
    captions = [f"caption {k % (240 // repeats)}" for k in range(240)]
    order = shuffled(captions)
    assert sorted(order) == list(range(240))
    assert not any(captions[k] == captions[j] for k, j in enumerate(order))
    assert np.array_equal(order, shuffled(captions))


def test_the_other_caption_is_no_neighbour_of_the_own_one() -> None:
    """A shuffle by one place would give similar captions wherever samples are sorted."""
    far = (shuffled(CAPTIONS) - np.arange(N)) % N
    assert max(Counter(far.tolist()).values()) < 12


@pytest.mark.parametrize("captions", [["one"], ["same", "same", "other"], ["same"] * 5])
def test_captions_that_cannot_be_shuffled_leave_the_gain_over_none(captions: list[str]) -> None:
    assert shuffled(captions) is None


def test_more_than_half_of_one_caption_measures_no_gain_over_another() -> None:
    generator = Generator(Encoder(), Regression(Mean(True), HeadConfig(), GRID))  # type: ignore[arg-type]
    held = HeldOut([CAPTIONS[0]] * 3 + [CAPTIONS[1]], ContinuousTokens(PICTURES[:4]))
    found = losses(configure("clip_flow"), generator, held, "cpu")
    assert set(found) == {"loss/mse", "gain/none", "gain/none/mse"}
