"""Optimizers by name: AdamW, or Muon for the matrices of layers and AdamW for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from headtohead.config.run_config import TrainConfig

Group = dict[str, Any]  # of weights that share a learning rate: params, lr


class MuonAdamW(torch.optim.Optimizer):
    """Torch's Muon and its AdamW as one optimizer, with one state and one list of groups.

    Muon's updates are scaled to the size of AdamW's, so that one learning rate serves both.
    """

    def __init__(self, groups: Sequence[Group], betas: tuple[float, float], weight_decay: float, fused: bool) -> None:
        """
        groups  with `muon`: whether Muon trains the group's weights, which are matrices then
        """
        super().__init__(groups, {})  # each part adds its own settings to its groups
        by_muon = [group for group in self.param_groups if group["muon"]]
        others = [group for group in self.param_groups if not group["muon"]]
        self._parts: dict[bool, torch.optim.Optimizer] = {}
        if by_muon:
            self._parts[True] = torch.optim.Muon(by_muon, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        if others:
            self._parts[False] = torch.optim.AdamW(others, betas=betas, weight_decay=weight_decay, fused=fused)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for muon, part in self._parts.items():  # groups and state anew: loading a state replaces them
            part.param_groups, part.state = [g for g in self.param_groups if g["muon"] == muon], self.state
            part.step()
        return loss


def make_optimizer(
    train: TrainConfig, groups: Sequence[Group], modules: Iterable[nn.Module], fused: bool
) -> torch.optim.Optimizer:
    """The optimizer that `train.optimizer` names.

    train    which, and its settings
    groups   weights by learning rate
    modules  of the net that they belong to
    fused    whether the device has AdamW as one kernel
    """
    betas = (0.9, train.beta2)
    if train.optimizer == "adamw":
        return torch.optim.AdamW(groups, train.lr, betas, weight_decay=train.weight_decay, fused=fused)
    inner = {id(p) for layers in modules if isinstance(layers, nn.ModuleList) for p in layers.parameters()}
    split = []
    for group in groups:
        for muon in (True, False):
            params = [p for p in group["params"] if (p.ndim == 2 and id(p) in inner) == muon]
            if params:
                split.append({**group, "params": params, "muon": muon})
    return MuonAdamW(split, betas, train.weight_decay, fused)
