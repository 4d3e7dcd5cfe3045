"""Compiled blocks: the same numbers as plain ones, on machines that can compile, in runs that are long enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch._inductor import cpp_builder
from torch._inductor.exc import InvalidCxxCompiler

from headtohead.config.heads import DitConfig
from headtohead.config.presets import configure
from headtohead.models import build
from headtohead.models.networks import compiling
from headtohead.models.networks.compiling import WORTH, compile_blocks, lacking
from headtohead.models.networks.dit import Dit
from headtohead.utils.tensor_shapes import Condition, Grid
from tests.support.small import SMALL

SIZES = DitConfig(dim=32, layers=1, heads=2, kv_heads=1, multiple_of=32)


def net() -> Dit:
    torch.manual_seed(0)
    own = Dit(SIZES, Grid(2, 2, 3), 8)
    for p in own.parameters():  # blocks are the identity at first
        nn.init.normal_(p, std=0.2)
    return own


def batch(n: int) -> tuple[Any, ...]:
    draw = torch.Generator().manual_seed(n)
    x, states = (torch.randn(n, 4, size, generator=draw) for size in (3, 8))
    return x, torch.rand(n, generator=draw), Condition(states)


@pytest.fixture
def own_settings() -> Iterator[None]:
    """Compiling counts in torch's own caches; a test starts and ends with empty ones."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore")  # of torch, while it reads the code
@pytest.mark.skipif(bool(lacking("cpu")), reason="this machine cannot compile")
def test_compiled_blocks_learn_and_sample_as_plain_ones(own_settings: None) -> None:
    plain, compiled = net(), net()
    compile_blocks(list(compiled.blocks))
    for own in (plain, compiled):
        own(*batch(6)).square().mean().backward()
    for a, b in zip(plain.parameters(), compiled.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.allclose(a.grad, b.grad, atol=1e-5)
    with torch.no_grad():
        for n in (3, 5, 8):
            x, t, condition = batch(n)
            assert torch.allclose(compiled(x, t, compiled.prepare(condition)), plain(x, t, condition), atol=1e-5)


def test_without_a_compiler_blocks_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "lacking", lambda device: "a C++ compiler")
    plain, compiled = net(), net()
    compile_blocks(list(compiled.blocks))
    monkeypatch.setattr(torch, "compile", None)
    assert torch.equal(plain(*batch(4)), compiled(*batch(4)))


def no_compiler() -> str:
    raise InvalidCxxCompiler


def test_what_is_lacking_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    find = compiling.lacking.__wrapped__
    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", no_compiler)
    assert find("cpu") == "a C++ compiler"
    assert find("cuda") == ""
    monkeypatch.undo()
    monkeypatch.setattr("sysconfig.get_path", lambda name: "/nowhere")
    assert find("cpu") in ("Python's headers", "a C++ compiler")


def test_runs_too_short_to_gain_are_not_compiled() -> None:
    long, short = (configure("clip_flow", overrides={"train.steps": n}) for n in (WORTH, WORTH - 1))
    assert (build.compiles(long), build.compiles(short)) == (True, False)
    assert not build.compiles(configure("clip_flow", overrides={"compute.compile": False}))
    assert not build.compiles(configure("clip_flow", overrides=SMALL))
