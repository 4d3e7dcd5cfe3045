"""Stored weights: few bits there, full precision back, never a pickle, the recipe's hash inside."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from headtohead.pretrained.loading import weight_files
from headtohead.utils import files


def test_weights_come_back_frozen_and_in_full_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    path = weight_files.save("part", model.state_dict(), {"recipe_hash": "abc"}, tmp_path)
    assert path.suffix == ".safetensors"
    assert weight_files.recipe_of("part", tmp_path) == weight_files.card("part", tmp_path)["recipe_hash"] == "abc"
    back = weight_files.load_into(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), "part", tmp_path)
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in back.parameters())
    assert not back.training
    assert torch.equal(back[0].weight, model[0].weight.half().float())  # type: ignore[index]


def test_matrices_are_stored_in_eight_bits_and_come_back_within_half_a_step_of_their_row(tmp_path: Path) -> None:
    torch.manual_seed(0)
    linear, conv = torch.randn(64, 32) * torch.logspace(-3, 3, 64)[:, None], torch.randn(16, 8, 3, 3)
    given = {"linear": linear, "conv": conv, "zeros": torch.zeros(64, 32), "bias": torch.randn(64)}
    path = weight_files.save("part", given, {"recipe_hash": "abc"}, tmp_path)
    back = weight_files.tensors("part", tmp_path)
    assert set(back) == set(given)
    for key in ("linear", "conv", "zeros"):
        step = given[key].flatten(1).abs().amax(1, keepdim=True) / 127
        assert bool(((back[key] - given[key]).flatten(1).abs() <= step / 2 * 1.001).all()), key
    assert torch.equal(back["bias"], given["bias"].half().float())
    assert path.stat().st_size < 1.3 * sum(v.numel() for v in given.values()) + 1000
    again = weight_files.save("again", back, {"recipe_hash": "abc"}, tmp_path)
    assert all(torch.equal(a, back[k]) for k, a in weight_files.tensors("again", tmp_path).items()), again


def test_fingerprints_depend_on_content_not_on_order_of_keys() -> None:
    assert files.fingerprint({"a": 1, "b": [2]}) == files.fingerprint({"b": [2], "a": 1})
    assert files.fingerprint({"a": 1}) != files.fingerprint({"a": 2})
