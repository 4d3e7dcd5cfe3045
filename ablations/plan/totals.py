"""A plan's FLOPs and GPU-hours: of every run, and of what is computed once for several runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ablations.plan import point_pictures
from ablations.plan.one_design import accelerators, cost, frozen, memory
from ablations.plan.one_design.accelerators import Accelerator
from ablations.plan.one_design.cost import Cost
from ablations.plan.one_design.memory import Advice, Memory
from ablations.plan.point_pictures import Points
from headtohead.config import flop_accounting
from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import DecoderConfig, RunConfig
from headtohead.data.feature_cache.write import Shape
from headtohead.data.order import Portion
from headtohead.models import build

HOUR = 3600


@dataclass(frozen=True)
class Machine:
    gpu: Accelerator
    devices: int
    utilisation: float  # share of the dense peak that is reached on average

    def hours(self, flops: float, precision: str) -> float:
        """GPU-hours of FLOPs in a precision (bf16 or tf32)."""
        return flops / (self.gpu.peak(precision) * self.utilisation) / HOUR


@dataclass(frozen=True)
class Run:
    """Plan of one design's run."""

    design: str
    config: RunConfig
    cost: Cost
    points: Points
    samples: int  # distinct images of its data
    everything: float  # training FLOPs an image, encoding and the share of one-time work included
    hours: dict[str, float]  # GPU-hours by part
    every_all: float  # GPU-hours of its points, if each used all prompts
    memory: Memory
    ways: tuple[Memory, Memory]  # without checkpointing and with it
    advice: Advice
    spare: bool  # whether memory would suffice without checkpointing

    @property
    def all_hours(self) -> float:
        return sum(self.hours.values())


@dataclass(frozen=True)
class Once:
    """Computed once before the runs, for all that predict a representation."""

    what: str
    flops: float
    hours: float


@dataclass(frozen=True)
class Features:
    """Cached features of every image of the data."""

    size: float  # bytes
    flops: float
    hours: float


@dataclass(frozen=True)
class Plan:
    machine: Machine
    runs: list[Run]
    seeds: int
    once: list[Once]
    features: dict[str, Features]  # by representation
    picture: int  # side of every design's images, pixels

    @property
    def hours(self) -> float:
        return self.seeds * sum(run.all_hours for run in self.runs) + sum(made.hours for made in self.once)


HEAD, LANGUAGE, ENCODING, WAY, LAST = (
    "training: head", "training: language model", "encoding pictures on the way", "points on the way", "last point",
)  # fmt: skip


def plan(
    configs: dict[str, RunConfig], stage: DecoderConfig | None, samples: int | None, machine: Machine, seeds: int
) -> Plan:
    """Plan one run of each configuration.

    configs  by design, or by design and variant
    stage    training of the decoder, where there is none yet
    samples  images of the opened mix; None = as many as the configuration says
    machine  GPUs, and how well they are used
    seeds    runs of each configuration
    """
    runs = [_run(design, c, stage, samples or c.data.pictures, machine) for design, c in configs.items()]
    sides = {run.cost.frozen.picture: run.design for run in reversed(runs)}
    if len(sides) > 1:
        sizes = ", ".join(f"{side} of {design}" for side, design in sides.items())
        raise ConfigError(f"foundations.picture: designs that are compared give pictures of one size, not {sizes}")
    once, features = list[Once](), dict[str, Features]()
    for run in {r.config.design.representation: r for r in runs}.values():
        name, f = run.config.design.representation, run.cost.frozen
        if d := f.to_train:
            text = f"decoder of {name}, {d.steps:,} steps of {d.batch:,}"
            once.append(Once(text, d.flops, machine.hours(d.flops, d.precision)))
        size = Shape(f.grid.tokens, f.grid.channels, torch.bfloat16).bytes(run.samples)
        flops = run.samples * f.encode.flops
        features[name] = Features(size, flops, machine.hours(flops, _precision(run.config)))
        if flop_accounting.beforehand(run.config):
            once.append(Once(f"features of {name}, {run.samples:,} pictures", flops, features[name].hours))
    return Plan(machine, runs, seeds, once, features, runs[0].cost.frozen.picture)


def _precision(config: RunConfig) -> str:
    """Single precision uses tensor cores (TF32) too, as trainings here do."""
    return "bf16" if config.compute.precision == "bf16" else "tf32"


def _run(design: str, config: RunConfig, stage: DecoderConfig | None, samples: int, machine: Machine) -> Run:
    portion = Portion.of(config.train.batch, config.compute.micro_batch, 0, machine.devices)
    f = frozen.of(build.image_tokens(config), stage and replace(stage, foundations=config.foundations))
    c = cost.of(config, f, accelerators.tokens(config), portion.at_once)
    points, shown, precision = point_pictures.of(config), flop_accounting.shown(config), _precision(config)
    parts = {
        HEAD: (shown * c.head.train, precision),
        LANGUAGE: (shown * c.reading.train, precision),
        ENCODING: (0.0 if flop_accounting.beforehand(config) else shown * f.encode.flops, precision),
        WAY: (points.on_the_way * points.a_point * c.picture, precision),
        LAST: (points.the_last * c.picture, precision),
    }
    everything = flop_accounting.everything(
        config, learning=c.train, encode=f.encode.flops, samples=samples, made=f.made
    )
    plain, checkpointed = (
        memory.of(replace(config, compute=replace(config.compute, checkpointing=on)), c, machine.devices)
        for on in (False, True)
    )
    return Run(
        design=design,
        config=config,
        cost=c,
        points=points,
        samples=samples,
        everything=everything,
        every_all=machine.hours(points.if_each_used_all * c.picture, precision),
        hours={name: machine.hours(flops, kind) for name, (flops, kind) in parts.items()},
        memory=checkpointed if config.compute.checkpointing else plain,
        ways=(plain, checkpointed),
        advice=memory.advice(config, c, machine.devices, machine.gpu),
        spare=memory.spare(config, c, machine.devices, machine.gpu),
    )
