"""What a run holds on each device, in bytes, by kind; whether that fits, and what to set where it does not.

Counted: every tensor that the step makes, in the types that autocast gives it, uncompiled. Not counted: what the
allocator rounds up, workspaces of kernels, buffers of communication, judges; room is left for those.
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
ROOM = 0.08  # of a device, for what is not counted


@dataclass(frozen=True)
class Memory:
    """Bytes on each device."""

    weights: float  # trained ones, in single precision: they are their own masters
    language: float  # its frozen weights
    codec: float  # encoder and decoder
    gradients: float
    moments: float  # AdamW's two
    average: float
    copies: float  # of weights in bf16, for the backward pass
    gathered: float  # of shards, while they are worked with
    activations: float
    encoded: float  # while pictures are encoded on the way, before all that
    aside: float  # at a point the trained weights make room for their average
    painted: float  # a point's pictures, while they are sampled and decoded

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
    c, f, r = config.compute, cost.frozen, cost.reading
    head = cost.checkpointed if c.checkpointing else cost.plain
    at_once = Portion.of(config.train.batch, c.micro_batch, 0, devices).at_once
    shards = devices if c.strategy == "fsdp" else 1
    trained = SINGLE * cost.trained / shards
    copies = r.kept.fixed + head.kept.fixed
    most = max(r.most.at(at_once), r.kept.at(at_once) + head.most.at(at_once))
    return Memory(
        weights=trained,
        language=SINGLE * cost.untrained / shards,
        codec=SINGLE * (f.encode.parameters + f.decode.parameters),
        gradients=trained,
        moments=2 * trained,
        average=trained,
        copies=copies,
        gathered=2 * SINGLE * r.largest if shards > 1 else 0.0,  # one at work and the next one on its way
        activations=most - copies,
        encoded=0.0 if flop_accounting.beforehand(config) else at_once * f.encode.most,
        aside=trained,
        painted=cost.plain.kept.fixed + config.evaluation.batch * max(head.drawn, f.decode.most),
    )


@dataclass(frozen=True)
class Advice:
    fits: bool
    settings: tuple[str, ...]  # that make it fit, or none


def advice(config: RunConfig, cost: Cost, devices: int, gpu: Accelerator) -> Advice:
    """The first remedy that is enough, those that cost least first."""
    if of(config, cost, devices).fits(gpu):
        return Advice(True, ())
    for told, other in _remedies(config, devices):
        if of(other, cost, devices).fits(gpu):
            return Advice(False, told)
    return Advice(False, ())


def spare(config: RunConfig, cost: Cost, devices: int, gpu: Accelerator) -> bool:
    """Whether there is room to keep the activations that checkpointing computes again."""
    plain = replace(config, compute=replace(config.compute, checkpointing=False))
    return config.compute.checkpointing and of(plain, cost, devices).fits(gpu)


def _remedies(config: RunConfig, devices: int) -> Iterator[tuple[tuple[str, ...], RunConfig]]:
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
                    told = {
                        f"compute.strategy={strategy}": strategy != config.compute.strategy,
                        f"compute.checkpointing={str(checkpointing).lower()}": (
                            checkpointing != config.compute.checkpointing
                        ),
                        f"compute.micro_batch={at_once}": at_once != own,
                        f"evaluation.batch={painted}": painted != config.evaluation.batch,
                    }
                    yield (
                        tuple(text for text, changed in told.items() if changed),
                        replace(config, compute=compute, evaluation=evaluation),
                    )
