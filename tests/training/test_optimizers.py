"""Muon beside AdamW: which weights each trains, at which rate, and a state that is taken up again."""

from __future__ import annotations

import copy

import torch
from torch import nn

from headtohead.config.presets import configure
from headtohead.models.build import assemble
from headtohead.training.lightning_module import DesignModule
from headtohead.training.optimizers import MuonAdamW
from tests.support.small import SMALL


def made(design: str, **given: object) -> tuple[DesignModule, torch.optim.Optimizer]:
    config = configure(design, overrides={**SMALL, "train.optimizer": "muon", **given})
    parts = assemble(config, "cpu")
    module = DesignModule(parts.generator, config, parts.target)
    optimizer: torch.optim.Optimizer = module.configure_optimizers()["optimizer"]
    return module, optimizer


def test_muon_trains_the_matrices_of_layers_and_nothing_else() -> None:
    module, optimizer = made("clip_flow")
    names = {id(p): name for name, p in module.net.trained().items()}
    by_muon = {names[id(p)] for group in optimizer.param_groups if group["muon"] for p in group["params"]}
    others = {names[id(p)] for group in optimizer.param_groups if not group["muon"] for p in group["params"]}
    assert by_muon | others == set(module.net.trained())
    assert not by_muon & others
    layers = {name for name in names.values() if ".blocks." in name}
    assert by_muon == {name for name in layers if module.net.trained()[name].ndim == 2}
    assert len(by_muon) >= 10
    assert any("queries" in name for name in others)


def test_each_rate_reaches_both_kinds_of_weights() -> None:
    given = {"design.backbone": "trained", "train.lr": 0.01, "train.lr_language": 0.001}
    module, optimizer = made("clip_flow", **given)
    language = {id(p) for p in module.net.language().values()}
    assert len(optimizer.param_groups) == 4
    for group in optimizer.param_groups:
        own = {id(p) in language for p in group["params"]}
        assert own == {group["initial_lr"] == 0.001}


def net_and_optimizer() -> tuple[nn.Module, MuonAdamW]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    groups = [
        {"params": [net[0].weight, net[2].weight], "lr": 0.02, "muon": True},
        {"params": [net[0].bias, net[2].bias], "lr": 0.02, "muon": False},
    ]
    return net, MuonAdamW(groups, (0.9, 0.95), 0.0, fused=False)


def learn(net: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> float:
    loss = torch.zeros(())
    for step in steps:
        x = torch.randn(32, 8, generator=torch.Generator().manual_seed(step))
        loss = (net(x) - x[:, :4].sin()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_a_state_taken_up_again_goes_on_bit_for_bit() -> None:
    net, optimizer = net_and_optimizer()
    before = learn(net, optimizer, range(5))
    kept = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
    after = learn(net, optimizer, range(5, 60))
    again, other = net_and_optimizer()
    again.load_state_dict(kept[0])
    other.load_state_dict(kept[1])
    assert learn(again, other, range(5, 60)) == after < before / 4
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_a_rate_that_is_changed_is_used() -> None:
    net, optimizer = net_and_optimizer()
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    first = [p.clone() for p in net.parameters()]
    learn(net, optimizer, range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, net.parameters(), strict=True))
