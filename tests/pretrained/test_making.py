"""The training loop: a function of its seed, and a training that was cut off is the training that was not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from headtohead.pretrained.making import train_judge
from headtohead.pretrained.making.loop import Budget, Fitted, fit, rate
from headtohead.pretrained.networks import vae
from headtohead.utils.compute import flops

BUDGET = Budget(steps=6, batch=4, lr=1e-3, warmup=2)
VAE = {"block_out_channels": [8, 8], "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4}


class Cut(Exception):
    pass


def train(work: Path, *, seed: int = 1, cut_at: int | None = None) -> Fitted:
    torch.manual_seed(seed)

    def loss(model: nn.Module, step: int, device: str) -> dict[str, Tensor]:
        if step == cut_at:
            raise Cut
        return vae.loss(model, 5, step, BUDGET.batch, device)

    def say(line: str) -> None:
        pass

    return fit("vae", vae.build(VAE), loss, BUDGET, seed=seed, work=work, device="cpu", say=say, save_every=0)


def weights(fitted: Fitted) -> Tensor:
    return torch.cat([p.flatten() for p in fitted.model.state_dict().values()])


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, again, other = (train(tmp_path / n, seed=s) for n, s in (("a", 1), ("b", 1), ("c", 2)))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_a_training_cut_off_twice_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    for at in (2, 4):
        with pytest.raises(Cut):
            train(tmp_path / "cut", cut_at=at)
    (tmp_path / "cut" / "vae.part").write_bytes(b"a save that was cut off")
    torch.rand(7)  # whatever else used random numbers in between
    resumed = train(tmp_path / "cut")
    assert torch.equal(weights(whole), weights(resumed))
    assert [row["step"] for row in resumed.history] == [1, 6]
    assert resumed.flops == whole.flops


def test_flops_are_those_of_forward_and_backward_passes(tmp_path: Path) -> None:
    model = vae.build(VAE)
    forward = BUDGET.steps * flops(lambda: vae.loss(model, 5, 0, BUDGET.batch, "cpu"))
    assert 2.5 < train(tmp_path).flops / forward < 3.5  # about three; fused attention computes its scores again


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    train(tmp_path)
    assert torch.equal(weights(train(tmp_path, cut_at=0)), weights(train(tmp_path)))


def test_the_loss_falls(tmp_path: Path) -> None:
    torch.manual_seed(0)
    budget = Budget(steps=25, batch=8, lr=3e-3, warmup=5)

    def loss(model: nn.Module, step: int, device: str) -> dict[str, Tensor]:
        return train_judge.loss(model, 3, step, budget.batch, device)

    model = train_judge.build({"widths": [8, 16, 24]})
    history = fit("judge", model, loss, budget, seed=0, work=tmp_path, device="cpu", say=lambda line: None).history
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_the_rate_warms_up_and_comes_down() -> None:
    budget = Budget(steps=100, batch=1, lr=1.0, warmup=10)
    values = [rate(budget, step) for step in range(100)]
    assert values[0] == pytest.approx(0.1)
    assert max(values) == values[9] == values[10] == 1
    assert values[10:] == sorted(values[10:], reverse=True)
    assert values[-1] == pytest.approx(0.01, abs=2e-3)
