"""bf16 against single precision: where each is used, what the record says, and that they learn the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from made import record
from small import SMALL
from torch import Tensor, nn
from torch.nn import functional as F

from ablations.report.html import provenance
from headtohead.config.heads import DitConfig
from headtohead.config.presets import configure
from headtohead.config.run_config import Sampling
from headtohead.data.synthetic_batches import StepBatch
from headtohead.models.build import assemble
from headtohead.models.generator import Generator
from headtohead.models.networks.dit import Dit
from headtohead.models.objectives.flow_matching import FlowMatching
from headtohead.models.objectives.noise import fresh
from headtohead.pretrained.networks.attention import attend
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder
from headtohead.training.lightning_module import DesignModule
from headtohead.utils import compute
from headtohead.utils.tensor_shapes import Condition, ContinuousTokens, Grid

CLASSES, GRID, WIDTH, STEPS, BATCH = 6, Grid(2, 2, 8), 16, 80, 32
SAMPLES = 120


class Named(nn.Module):
    """Conditions of captions that are a class's number."""

    def __init__(self) -> None:
        super().__init__()
        self.states = torch.randn(CLASSES, 3, WIDTH, generator=torch.Generator().manual_seed(1))

    def forward(self, captions: list[str]) -> Condition:
        return Condition(self.states[[int(c) for c in captions]])


def pictures(classes: Tensor, seed: int) -> Tensor:
    """Tokens around the mean of each class."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(CLASSES, GRID.tokens, GRID.channels, generator=torch.Generator().manual_seed(2))
    return means[classes] + 0.5 * torch.randn(len(classes), GRID.tokens, GRID.channels, generator=generator)


def learned(precision: str, seed: int) -> tuple[list[float], float]:
    """The losses of a training, and the share of its samples that lie nearest to the mean of their class."""
    torch.manual_seed(seed)
    config = configure(
        "clip_flow", overrides={**SMALL, "compute.precision": precision, "train.batch": BATCH}, seed=seed
    )
    head = DitConfig(dim=32, layers=1, heads=4, kv_heads=2, multiple_of=16)
    net = Generator(Named(), FlowMatching(Dit(head, GRID, WIDTH), head, GRID))  # type: ignore[arg-type]
    module = DesignModule(net, config, ContinuousTokens).train()
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    optimizer, losses = torch.optim.AdamW(net.parameters(), 0.01), []
    for k in range(STEPS):
        classes = torch.randint(CLASSES, (BATCH,), generator=torch.Generator().manual_seed(1000 * seed + k))
        batch = StepBatch([str(int(c)) for c in classes], pictures(classes, 1000 * seed + k))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DesignModule, "global_step", k)
            loss = module.training_step(batch, 0)
        with compute.products(precision, "cpu"):
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    asked = torch.arange(CLASSES).repeat(SAMPLES // CLASSES)
    with torch.no_grad(), compute.autocast(precision, "cpu"):
        condition = net.condition([str(int(c)) for c in asked])
        made = net.objective.sample(condition, fresh(len(asked), "cpu", seed), Sampling(steps=8, guidance=1.0)).tokens
    means = torch.stack([pictures(torch.full((200,), c), 3).mean(0) for c in range(CLASSES)])
    nearest = torch.cdist(made.float().flatten(1), means.flatten(1)).argmin(1)
    return losses, float((nearest == asked).double().mean())


def test_bf16_and_single_precision_agree_within_what_seeds_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compute.BF16, "exact")
    single, half = ({seed: learned(kind, seed) for seed in (0, 1)} for kind in ("float32", "bf16"))

    def apart(one: list[float], other: list[float]) -> float:
        return float((torch.tensor(one) - torch.tensor(other))[STEPS // 2 :].abs().mean())

    losses = [apart(half[seed][0], single[seed][0]) for seed in (0, 1)]
    scores = [abs(half[seed][1] - single[seed][1]) for seed in (0, 1)]
    assert half[0][0] != single[0][0]  # it was another arithmetic
    assert max(losses) < apart(single[0][0], single[1][0]) / 2
    share = min(single[seed][1] for seed in (0, 1))
    assert share > 0.5  # there is something to lose
    assert max(scores) <= max(abs(single[0][1] - single[1][1]), 2 * (share * (1 - share) / SAMPLES) ** 0.5)


def test_bf16_is_used_where_the_device_is_fast_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for units, exact, used in (({}, "", "float32"), ({"avx512_bf16": True}, "", "bf16"), ({}, "exact", "bf16")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda units=units: {"avx2": True, **units})
        monkeypatch.setenv(compute.BF16, exact)
        assert compute.computed_in("bf16", "cpu") == used
        assert compute.computed_in("float32", "cpu") == "float32"
        with compute.autocast("bf16", "cpu"):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == getattr(torch, used.replace("bf", "bfloat"))


def test_products_on_a_cpu_without_units_are_those_of_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setenv(compute.BF16, "exact")
    a, b = torch.randn(40, 70).bfloat16(), torch.randn(70, 30).bfloat16()
    slow = a @ b
    with compute.products("bf16", "cpu"):
        exact = a @ b
    assert exact.dtype == torch.bfloat16
    assert torch.equal(exact, (a.double() @ b.double()).float().bfloat16())
    assert torch.allclose(slow.float(), exact.float(), rtol=0.01, atol=0.1)


def test_attention_on_a_cpu_is_computed_in_single_precision_and_given_in_its_own_type() -> None:
    """The gradient of the fused kernel is ten times slower in bf16."""
    q, k, v = (torch.randn(2, heads, 5, 8, requires_grad=True) for heads in (6, 2, 2))
    expected = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert F.scaled_dot_product_attention(q, k, v, enable_gqa=True).dtype == torch.bfloat16
        assert torch.equal(attend(q, k, v), expected)
    halves = [x.detach().bfloat16() for x in (q, k, v)]
    exact = F.scaled_dot_product_attention(*(x.float() for x in halves), is_causal=True, enable_gqa=True)
    assert torch.equal(attend(*halves, causal=True), exact.bfloat16())


def test_attention_of_other_packages_has_the_gradient_that_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compute.BF16, "exact")
    q, k, v = (torch.randn(2, 2, 5, 8, requires_grad=True) for _ in range(3))
    for precision, fused in (("float32", True), ("bf16", False)):
        with compute.autocast(precision, "cpu"):
            out, ours = F.scaled_dot_product_attention(q, k, v), attend(q, k, v)
        assert ("FlashAttention" in type(out.grad_fn).__name__) == fused
        assert "FlashAttention" in type(ours.grad_fn).__name__, "in single precision it is the fast one"


def test_a_frozen_language_model_is_kept_in_the_type_in_which_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compute.BF16, "exact")
    states = {}
    for precision, kind in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        queries = assemble(configure("clip_flow", overrides={"compute.precision": precision}), "cpu").generator.queries
        assert {p.dtype for p in queries.model.parameters()} == {kind}
        assert {b.dtype for b in queries.model.buffers()} == {torch.float32}, "positions need single precision"
        with compute.autocast(precision, "cpu"):
            states[precision] = queries(["two red stars", "a ring"]).states
        assert states[precision].dtype == torch.float32
    off = (states["bf16"] - states["float32"]).norm() / states["float32"].norm()
    assert 0 < off < 0.03


def test_a_report_names_the_runs_of_another_precision(tmp_path: Path) -> None:
    record(tmp_path / "s/clip_flow", 0.5)
    for run in runs(tmp_path):
        Recorder(run.folder).status("finished", precision=["float32"])
    assert provenance.differing(runs(tmp_path)) == []
    Recorder(tmp_path / "s/clip_flow-s1").status("finished", precision=["float32", "bf16"])
    (line,) = provenance.differing(runs(tmp_path))
    assert line == "Runs of several precisions: float32: the other 2 runs; float32, then bf16: clip_flow-s1."
