"""Memory of a run on each device by kind, whether it fits, and which settings make it fit.

Counted: every tensor of an uncompiled step, in the types of autocast. Not counted, and left room for: rounding of the
allocator, workspaces of kernels, communication buffers, judges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ablations.plan.one_design.accelerators import GIB, Accelerator
from ablations.plan.one_design.cost import Cost
from headtohead.config import flop_accounting
from headtohead.config.run_config import RunConfig
from headtohead.data.order import Portion

SINGLE = 4  # bytes of a number
ROOM = 0.08  # share of a device's memory left for what is not counted


@dataclass(frozen=True)
class Memory:
    """Bytes on each device."""

    weights: float  # trained, in single precision
    language: float  # frozen language model
    codec: float  # encoder and decoder
    gradients: float
    moments: float  # AdamW's first and second
    average: float  # of the weights (EMA)
    copies: float  # weights in bf16, kept for the backward pass
    gathered: float  # shards gathered for the layers in use (FSDP)
    activations: float
    encoded: float  # while images are encoded during training, before the step
    aside: float  # trained weights, put aside while a point uses their average
    painted: float  # a point's images, while they are sampled and decoded

    @property
    def lasting(self) -> float:
        return self.weights + self.language + self.codec + self.gradients + self.moments + self.average

    @property
    def training(self) -> float:
        return self.lasting + self.gathered + max(self.copies + self.activations, self.encoded)

    @property
    def point(self) -> float:
        return self.lasting + self.aside + self.gathered + self.painted

    @property
    def most(self) -> float:
        return max(self.training, self.point)

    def fits(self, gpu: Accelerator) -> bool:
        return self.most <= (1 - ROOM) * gpu.memory * GIB


def of(config: RunConfig, cost: Cost, devices: int) -> Memory:
    """Memory of a run.

    config   of the run
    cost     of one image of its design
    devices  GPUs that share a batch
    """
    c, f, r = config.compute, cost.frozen, cost.reading
    head = cost.checkpointed if c.checkpointing else cost.plain
    at_once = Portion.of(config.train.batch, c.micro_batch, 0, devices).at_once
    shards = devices if c.strategy == "fsdp" else 1
    trained = SINGLE * cost.trained / shards
    copies = r.kept.fixed + head.kept.fixed
    most = max(r.most.at(at_once), r.kept.at(at_once) + head.most.at(at_once))
    return Memory(
        weights=trained,
        language=r.frozen / shards,
        codec=SINGLE * (f.encode.parameters + f.decode.parameters),
        gradients=trained,
        moments=2 * trained,
        average=trained,
        copies=copies,
        gathered=2 * SINGLE * r.largest if shards > 1 else 0.0,  # the layer in use and the next one
        activations=most - copies,
        encoded=0.0 if flop_accounting.beforehand(config) else at_once * f.encode.most,
        aside=trained,
        painted=cost.plain.kept.fixed + config.evaluation.batch * max(head.sampling, f.decode.most),
    )


@dataclass(frozen=True)
class Advice:
    fits: bool
    settings: tuple[str, ...]  # KEY=VALUE that make it fit; empty where none do


def advice(config: RunConfig, cost: Cost, devices: int, gpu: Accelerator) -> Advice:
    """The cheapest settings with which a run fits.

    config   of the run
    cost     of one image of its design
    devices  GPUs that share a batch
    gpu      their kind
    """
    if of(config, cost, devices).fits(gpu):
        return Advice(True, ())
    for settings, other in _remedies(config, devices):
        if of(other, cost, devices).fits(gpu):
            return Advice(False, settings)
    return Advice(False, ())


def spare(config: RunConfig, cost: Cost, devices: int, gpu: Accelerator) -> bool:
    """Whether memory suffices to keep the activations that checkpointing recomputes."""
    plain = replace(config, compute=replace(config.compute, checkpointing=False))
    return config.compute.checkpointing and of(plain, cost, devices).fits(gpu)


def _remedies(config: RunConfig, devices: int) -> Iterator[tuple[tuple[str, ...], RunConfig]]:
    """Settings that take less memory, the cheapest first, each with its configuration."""
    share = Portion.of(config.train.batch, 0, 0, devices).at_once
    own = config.compute.micro_batch or share
    parts = [n for n in range(own, 0, -1) if share % n == 0 and (own // n).bit_count() == 1]
    points = [n for n in (32, 16, 8, 4, 2, 1) if n < config.evaluation.batch]
    for strategy in dict.fromkeys((config.compute.strategy, "fsdp" if devices > 1 else config.compute.strategy)):
        for checkpointing in dict.fromkeys((config.compute.checkpointing, True)):
            for at_once in parts:
                for painted in (config.evaluation.batch, *points):
                    compute = replace(
                        config.compute, strategy=strategy, checkpointing=checkpointing, micro_batch=at_once
                    )
                    evaluation = replace(config.evaluation, batch=painted)
                    settings = {
                        f"compute.strategy={strategy}": strategy != config.compute.strategy,
                        f"compute.checkpointing={str(checkpointing).lower()}": (
                            checkpointing != config.compute.checkpointing
                        ),
                        f"compute.micro_batch={at_once}": at_once != own,
                        f"evaluation.batch={painted}": painted != config.evaluation.batch,
                    }
                    yield (
                        tuple(text for text, changed in settings.items() if changed),
                        replace(config, compute=compute, evaluation=evaluation),
                    )
