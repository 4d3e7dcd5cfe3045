"""The DiT: rotary attention against a slow reference, its size at paper scale, its first steps."""

from __future__ import annotations

import cmath
import math
from dataclasses import replace

import pytest
import torch

from headtohead.config.heads import DitConfig
from headtohead.models.networks import dit
from headtohead.models.networks.dit import Attention, Dit
from headtohead.utils.tensor_shapes import Condition, Grid

CONFIG = DitConfig(dim=32, layers=2, heads=4, kv_heads=2, multiple_of=16)
GRID = Grid(2, 3, 5)


def slow_rotation(x: list[float], row: int, column: int) -> list[float]:
    """Pairs of channels as complex numbers: the first half turned by the row, the second by the column."""
    pairs, out = len(x) // 2, []
    for k in range(pairs):
        at, axis = (k, row) if k < pairs // 2 else (k - pairs // 2, column)
        turned = complex(x[2 * k], x[2 * k + 1]) * cmath.exp(1j * axis * CONFIG.rotary_base ** (-at / (pairs // 2)))
        out += [turned.real, turned.imag]
    return out


def test_rotation_agrees_with_complex_numbers() -> None:
    x = torch.randn(1, 2, GRID.tokens, 8, dtype=torch.float64)
    fast = dit.rotate(x, dit.angles(GRID, 8, CONFIG.rotary_base).double())
    for head in range(2):
        for token in range(GRID.tokens):
            slow = slow_rotation(x[0, head, token].tolist(), *divmod(token, GRID.columns))
            assert torch.allclose(fast[0, head, token], torch.tensor(slow, dtype=torch.float64), atol=1e-6)


def test_attention_agrees_with_a_slow_reference() -> None:
    torch.manual_seed(0)
    attention = Attention(CONFIG, 6).double()
    attention.gate.data.fill_(0.7)
    x, condition = torch.randn(1, GRID.tokens, 32).double(), torch.randn(1, 3, 6).double()
    angle = dit.angles(GRID, 8, CONFIG.rotary_base).double()
    d, group = 8, CONFIG.heads // CONFIG.kv_heads
    k, v = attention.kv(x).chunk(2, -1)
    ck, cv = attention.cross_kv(condition).chunk(2, -1)
    q, cq = attention.q(x), attention.cross_q(x)
    rows = torch.zeros(GRID.tokens, CONFIG.heads, d, dtype=torch.float64)
    for h in range(CONFIG.heads):
        part, shared = slice(h * d, h * d + d), slice(h // group * d, h // group * d + d)
        turned = [
            [slow_rotation(attention.norms[n](z[0, i, s]).tolist(), *divmod(i, 3)) for i in range(GRID.tokens)]
            for n, z, s in (("q", q, part), ("k", k, shared))
        ]
        for i in range(GRID.tokens):
            score = torch.tensor(turned[1], dtype=torch.float64) @ torch.tensor(turned[0][i], dtype=torch.float64)
            rows[i, h] = (score / d**0.5).softmax(0) @ v[0, :, shared]
            there = attention.norms["cross_k"](ck[0, :, shared]) @ attention.norms["cross_q"](cq[0, i, part])
            rows[i, h] += math.tanh(0.7) * ((there / d**0.5).softmax(0) @ cv[0, :, shared])
    cross = attention.keys_values(condition)
    assert torch.allclose(attention(x, cross, angle)[0], attention.out(rows.flatten(1)), atol=1e-5)


@pytest.mark.parametrize("c", [CONFIG, replace(CONFIG, places=True, placed=True, connector=True)])
def test_it_begins_as_zero_and_every_weight_learns(c: DitConfig) -> None:
    torch.manual_seed(0)
    net = Dit(c, GRID, 6)
    x, t, condition = torch.randn(2, 6, 5), torch.rand(2), Condition(torch.randn(2, 3, 6))
    assert net(x, t, condition).abs().max() == 0
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    for _ in range(4):  # gates and last layer begin at zero: what lies behind them learns a few steps later
        optimizer.zero_grad()
        (net(x, t, condition) - x).pow(2).mean().backward()
        optimizer.step()
    still = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert not still


def test_position_time_and_condition_all_matter() -> None:
    torch.manual_seed(0)
    net = Dit(CONFIG, GRID, 6)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x, t, states = torch.randn(1, 6, 5), torch.tensor([0.3]), torch.randn(1, 3, 6)
    out = net(x, t, Condition(states))
    assert not torch.allclose(out, net(x, t + 0.2, Condition(states)))
    assert not torch.allclose(out, net(x, t, Condition(states + 1)))
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert not torch.allclose(out[:, order], net(x[:, order], t, Condition(states)), atol=1e-3)


def test_placed_queries_ask_by_position() -> None:
    """With equal tokens everywhere, cross-attention gives every position the same answer, or each its own."""
    torch.manual_seed(0)
    condition, angle = torch.randn(1, 3, 6), dit.angles(GRID, 8, CONFIG.rotary_base)
    for placed in (False, True):
        attention = Attention(replace(CONFIG, placed=placed), 6)
        attention.gate.data.fill_(1.0)
        attention.kv.weight.data.zero_()  # nothing of self-attention
        out = attention(torch.ones(1, GRID.tokens, 32), attention.keys_values(condition), angle)
        assert torch.allclose(out[0, 0], out[0, 1], atol=1e-6) is not placed


def test_places_tell_equal_tokens_apart() -> None:
    """Rotary positions cannot where all tokens are alike: attention to equal values gives one answer everywhere."""
    torch.manual_seed(0)
    for places in (False, True):
        net = Dit(replace(CONFIG, places=places), GRID, 6)
        for p in net.parameters():
            torch.nn.init.normal_(p, std=0.3)
        out = net(torch.ones(1, GRID.tokens, 5), torch.tensor([0.3]), Condition(torch.randn(1, 3, 6)))
        assert torch.allclose(out[0, 0], out[0, 1], atol=1e-5) is not places


def test_a_small_base_turns_more_channels() -> None:
    few, many = (dit.angles(GRID, 16, base) for base in (10_000.0, 10.0))
    assert torch.equal(few[:, 0], many[:, 0])  # the first pair turns by one a row at any base
    assert (many[-1] > 0.1).sum() > (few[-1] > 0.1).sum()


@pytest.mark.parametrize("connector", [False, True])
def test_a_prepared_condition_gives_the_same_velocity_and_is_read_once(connector: bool) -> None:
    torch.manual_seed(0)
    net = Dit(replace(CONFIG, connector=connector), GRID, 6)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x, condition = torch.randn(2, 6, 5), Condition(torch.randn(2, 3, 6))
    reads: list[str] = []
    for name, part in net.named_modules():
        if name.endswith(("condition_norm", "cross_kv", "cross_k", "pooled", "connector.0")):
            part.register_forward_hook(lambda *_, name=name: reads.append(name))
    expected = [net(x, t, condition) for t in torch.rand(3, 2, generator=torch.Generator().manual_seed(1))]
    assert len(reads) == 3 * (3 * CONFIG.layers + 1 + connector)
    reads.clear()
    prepared = net.prepare(condition)
    once = [net(x, t, prepared) for t in torch.rand(3, 2, generator=torch.Generator().manual_seed(1))]
    assert len(reads) == 3 * CONFIG.layers + 1 + connector
    assert all(torch.equal(a, b) for a, b in zip(once, expected, strict=True))


def test_paper_size_on_the_meta_device() -> None:
    with torch.device("meta"):
        net = Dit(DitConfig(dim=1792, layers=24, heads=28, kv_heads=28), Grid(8, 8, 1792), 2048)
    assert 1.36e9 < sum(p.numel() for p in net.parameters()) < 1.40e9


@pytest.mark.parametrize(("dim", "heads", "kv"), [(30, 4, 2), (32, 4, 3)])
def test_sizes_that_do_not_divide_are_refused(dim: int, heads: int, kv: int) -> None:
    with pytest.raises(ValueError, match=r"head\.dim"):
        DitConfig(dim=dim, layers=2, heads=heads, kv_heads=kv)
