"""Plans hold against what they plan: parameters, FLOPs and bytes of the parts that really run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from ablations.plan import point_pictures, totals
from ablations.plan.one_design import cost, frozen, memory
from ablations.plan.one_design.accelerators import GIB, KINDS, Accelerator
from ablations.plan.one_design.meta_device import NoNoise, by_layers, look, parameters
from headtohead.config import flop_accounting
from headtohead.config.presets import configure, decoder
from headtohead.config.run_config import ComputeConfig, RunConfig
from headtohead.data.synthetic_batches import StepBatch
from headtohead.eval.curve_points.synthetic import SyntheticEvaluator
from headtohead.models import build
from headtohead.models.build import Parts, assemble
from headtohead.models.objectives.noise import fresh
from headtohead.pretrained.making.recipes import CONTEXT
from headtohead.pretrained.networks import small_llama
from headtohead.training.flop_counts import flops_a_picture, flops_of_everything
from headtohead.utils import distributed
from headtohead.utils.tensor_shapes import Condition, Grid

CAPTION = "a large red circle above a small blue square"
MACHINE = totals.Machine(KINDS["h100"], 8, 0.4)
CLIP, VAE = Grid(8, 8, 1792), Grid(32, 32, 16)  # at the paper's scale


def planned(config: RunConfig, at_once: int = 8) -> cost.Cost:
    own = frozen.of(build.image_tokens(config), None)
    return cost.of(config, own, small_llama.encode([CAPTION], CONTEXT).shape[1], at_once)


def step(parts: Parts, number: int) -> StepBatch:
    grid = parts.codec.grid
    return StepBatch([CAPTION] * number, torch.zeros(number, grid.tokens, grid.channels))


def paper_head(design: str, grid: Grid) -> Any:
    config = configure(design, "paper")
    with torch.device("meta"):
        return build.objective(replace(config, compute=ComputeConfig()), grid, 2048)


def train(head: Any, grid: Grid) -> float:
    """FLOPs of a picture, without checkpointing."""
    with torch.device("meta"):
        condition = Condition(torch.zeros(1, 64, 2048, requires_grad=True))
        target = grid.target(torch.zeros(1, grid.tokens, grid.channels))
        return look(lambda: head.loss(target, condition, NoNoise(1)), bf16=True, backward=True).flops


def test_the_papers_heads_are_of_its_size_and_alike() -> None:
    clip, vae = paper_head("clip_flow", CLIP), paper_head("vae_flow", VAE)
    assert 1.36e9 < parameters(clip) < 1.40e9
    assert parameters(vae) == pytest.approx(parameters(clip), rel=0.01)
    # 64 tokens and 1,024; six a parameter and token would be 0.53 T, and 8.5 T, but not every weight sees each token.
    assert train(clip, CLIP) == pytest.approx(0.465e12, rel=0.01)
    assert train(vae, VAE) == pytest.approx(6.96e12, rel=0.01)


@pytest.mark.parametrize("design", ["clip_mse", "vae_flow", "clip_mse_dit"])
def test_sizes_and_flops_are_those_of_the_parts_that_run(design: str) -> None:
    config = configure(design)
    own, parts = planned(config), assemble(config, "cpu")
    generator = parts.generator
    assert own.frozen.grid == parts.codec.grid
    assert own.head.parameters == parameters(generator.head)
    assert own.reading.parameters == parameters(generator.queries)
    assert own.trained == sum(p.numel() for p in generator.trained().values())
    learning = flops_a_picture(parts, step(parts, 4), "cpu")
    assert own.train == pytest.approx(learning, rel=0.01)
    everything = flops_of_everything(config, parts, learning, 1000, "cpu")
    assert own.frozen.made == parts.codec.made_flops()
    assert everything - learning == pytest.approx(
        flop_accounting.everything(
            config, learning=0.0, encode=own.frozen.encode.flops, samples=1000, made=own.frozen.made
        ), rel=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize(("design", "again"), [("vae_flow", False), ("vae_flow", True), ("vae_mse", False)])
def test_bytes_are_about_what_the_allocator_hands_out(design: str, again: bool) -> None:
    """A CPU takes norms apart, and attention with grouped queries, which GPUs have kernels for."""
    number = 16
    config = configure(
        design, overrides={
            "compute.checkpointing": again, "compute.precision": "float32", "compute.compile": False,
            "query.groups": 1, "train.batch": number,
        },
    )  # fmt: skip
    own, parts = planned(config, number), assemble(config, "cpu")
    batch, generator = step(parts, number), parts.generator
    for p in generator.trained().values():
        p.grad = torch.zeros_like(p)

    def once() -> None:
        condition, draws = generator.condition(batch.captions), fresh(number, "cpu")
        generator.objective.loss(parts.target(batch.x_1), condition, draws).backward()

    once()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        once()
    now = most = 0
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    held = memory.of(config, own, 1)
    assert held.activations + held.copies == pytest.approx(most, rel=0.2)


def test_few_layers_tell_of_many() -> None:
    config = configure("vae_flow", overrides={"head.layers": 7})
    grid, bf16 = Grid(4, 4, 64), True

    def measured(layers: int) -> dict[str, float]:
        with torch.device("meta"):
            head: Any = build.objective(replace(config, head=replace(config.head, layers=layers)), grid, 192)
            condition = Condition(torch.zeros(8, 16, 192, requires_grad=True))
            seen = look(partial(head.loss, grid.example(8), condition, NoNoise(8)), bf16=bf16, backward=True)
            return {"parameters": parameters(head), **vars(seen)}

    whole, told = measured(7), by_layers(measured, 7)
    assert told.keys() == whole.keys()
    assert told == pytest.approx(whole, rel=0.02)
    assert (told["parameters"], told["flops"]) == (whole["parameters"], whole["flops"])


def test_settings_of_flow_and_standardised_tokens_cost_nothing() -> None:
    plain = planned(configure("clip_flow"))
    changed = {
        "objective.times": "logit_normal", "objective.shift": "dimension", "objective.predict": "x",
        "codec.standardise": "position",
    }  # fmt: skip
    other = planned(configure("clip_flow", overrides=changed))
    assert (other.head.train, other.head.sample, other.head.parameters) == (
        plain.head.train, plain.head.sample, plain.head.parameters
    )  # fmt: skip
    assert (other.frozen, other.reading) == (plain.frozen, plain.reading)


def test_points_ask_a_subset_on_the_way_and_everything_at_the_end() -> None:
    own = point_pictures.of(configure("clip_flow", "paper"))
    assert own.the_last == 2212 + 4260 + 30_000
    assert own.a_point == 138 * 4 + 133 * 4 + 1000
    assert own.on_the_way == 150_000 // 3200


def test_points_are_planned_as_they_paint(monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[int] = []

    def paint(
        own: SyntheticEvaluator,
        generator: object,
        asked: list[str],
        how: object,
        seed: int = 0,
        decodings: Any = (None,),
    ) -> Any:
        painted.append(len(asked) * len(decodings))
        return torch.zeros(len(asked), len(decodings), 3, 8, 8)

    monkeypatch.setattr(SyntheticEvaluator, "paint", paint)
    monkeypatch.setattr(distributed, "first", lambda: False)  # which alone judges what all have painted
    config = configure("clip_flow", overrides={"evaluation.held_out": 8})
    parts = assemble(config, "cpu")
    meter, own = SyntheticEvaluator(config, parts, "cpu"), point_pictures.of(config)
    for last, planned in ((False, own.a_point), (True, own.the_last)):
        painted.clear()
        meter.measure(parts.generator, last, 0)
        assert sum(painted) == planned


@pytest.fixture(scope="module")
def pair() -> totals.Plan:
    settings = {"foundations.clip": "ViT-B-32", "foundations.clip_side": 7, "head.layers": 2}
    configs = {d: configure(d, "paper", overrides=settings) for d in ("clip_flow", "vae_flow")}
    return totals.plan(configs, decoder("paper"), 1_000_000, MACHINE, 2)


def test_what_is_made_once_counts_once_and_runs_by_their_seeds(pair: totals.Plan) -> None:
    (made,) = pair.once
    assert made.what.startswith("decoder of clip")
    assert pair.hours == pytest.approx(2 * sum(run.all_hours for run in pair.runs) + made.hours)
    assert pair.picture == 512
    clip, vae = pair.runs
    shown = 150_000 * 512
    # Of three designs that predict CLIP features, each bears a third of the decoder; its encoder runs on the way.
    extra = shown * (clip.everything - clip.cost.train - clip.cost.frozen.encode.flops)
    assert extra == pytest.approx(made.flops / 3)
    assert vae.everything == pytest.approx(vae.cost.train + vae.cost.frozen.encode.flops)
    assert clip.every_all > 10 * clip.hours[totals.LAST]


def test_what_is_advised_fits(pair: totals.Plan) -> None:
    run = pair.runs[0]
    small = Accelerator("small", 0.9 * run.memory.most / GIB, 100, 50)
    advice = memory.advice(run.config, run.cost, 8, small)
    assert not advice.fits
    own = dict(text.split("=") for text in advice.settings)
    told = configure("clip_flow", "paper", overrides={
        "foundations.clip": "ViT-B-32", "foundations.clip_side": 7, "head.layers": 2, **own
    })  # fmt: skip
    assert memory.of(told, run.cost, 8).fits(small)
    none = Accelerator("none", 0.1, 100, 50)
    assert memory.advice(run.config, run.cost, 8, none).settings == ()


def test_sharding_leaves_each_device_its_share(pair: totals.Plan) -> None:
    run = pair.runs[1]
    sharded = replace(run.config, compute=replace(run.config.compute, strategy="fsdp"))
    one, eight = memory.of(run.config, run.cost, 8), memory.of(sharded, run.cost, 8)
    assert eight.moments == pytest.approx(one.moments / 8)
    assert eight.language == pytest.approx(one.language / 8)
    assert eight.codec == one.codec
    assert eight.activations == one.activations
    assert eight.gathered > 0 == one.gathered
