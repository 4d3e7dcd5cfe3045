"""FLOPs and memory of one image: head and language model, built and run on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask

from ablations.plan.one_design import networks
from ablations.plan.one_design.frozen import Frozen, on_meta
from ablations.plan.one_design.meta_device import Line, NoNoise, by_layers, look, parameters, with_gradients
from headtohead.config.run_config import ComputeConfig, QueryConfig, RunConfig, Sampling
from headtohead.models import build
from headtohead.models.query_encoder import QueryEncoder
from headtohead.utils.tensor_shapes import Condition, Grid

# SDPA that assumes padding: on the meta device the mask has no values to inspect.
PADDED = "sdpa_padded"
AttentionInterface.register(PADDED, sdpa_attention_forward)
AttentionMaskInterface.register(PADDED, eager_mask)


@dataclass(frozen=True)
class Reading:
    """The language model with its queries, for one prompt."""

    parameters: int
    trained: int
    frozen: int  # bytes of the weights that do not learn
    largest: int  # parameters of its largest layer, which FSDP gathers at once
    forward: float  # FLOPs
    train: float
    kept: Line  # bytes held from the forward pass to the backward one; the fixed part are weights in bf16
    most: Line  # peak bytes
    width: int  # channels of its hidden states


@dataclass(frozen=True)
class Painting:
    """The head, for one image."""

    parameters: int
    train: float  # FLOPs, forward and backward
    sample: float
    kept: Line
    most: Line
    sampling: float  # peak bytes of sampling one image


@dataclass(frozen=True)
class Cost:
    frozen: Frozen
    reading: Reading
    head: Painting  # as configured
    plain: Painting  # without checkpointing
    checkpointed: Painting
    prompt: int  # tokens
    queries: int

    @property
    def trained(self) -> int:
        return self.reading.trained + self.head.parameters

    @property
    def untrained(self) -> int:
        return self.reading.parameters - self.reading.trained

    @property
    def train(self) -> float:
        return self.head.train + self.reading.train

    @property
    def picture(self) -> float:
        """FLOPs from prompt to pixels."""
        return self.sample + self.frozen.decode.flops

    @property
    def sample(self) -> float:
        return self.reading.forward + self.head.sample


def of(config: RunConfig, frozen: Frozen, prompt: int, at_once: int) -> Cost:
    """Cost of one image of a design.

    config   of the run
    frozen   cost of its encoder and decoder
    prompt   tokens of a prompt
    at_once  images of a device's batch, for which memory is measured (and for twice as many)
    """
    grid, bf16 = frozen.grid, config.compute.precision == "bf16"
    query = replace(config.query, number=build.queries(config, grid), groups=1)
    trained = build.trains_backbone(config)
    reading = _reading(config.foundations.language, query, trained, prompt, bf16, at_once)
    ways = [_painting(config, grid, reading.width, checkpointing, at_once) for checkpointing in (False, True)]
    return Cost(frozen, reading, ways[config.compute.checkpointing], ways[0], ways[1], prompt, query.number)


@cache
def _reading(name: str, query: QueryConfig, trained: bool, prompt: int, bf16: bool, at_once: int) -> Reading:
    settings, width = networks.language_config(name), 0

    def measured(layers: int) -> dict[str, float]:
        nonlocal width
        model = networks.language_model({**settings, "num_hidden_layers": layers}, PADDED)
        queries = QueryEncoder(model, _no_tokens, query, trained, torch.bfloat16 if bf16 else None)
        width = queries.width
        with_gradients(queries)

        def read(number: int) -> torch.Tensor:
            ids = torch.zeros(number, prompt, dtype=torch.long)
            return queries.read([(ids, torch.ones_like(ids))])

        return {
            "parameters": parameters(queries), "trained": parameters(queries, trained=True),
            "rest": parameters(queries) - parameters(model.model.layers),
            "frozen": sum(p.nbytes for p in queries.parameters() if not p.requires_grad),
            "forward": look(partial(read, 1), bf16=bf16).flops, **_training(read, bf16, at_once),
        }  # fmt: skip

    with on_meta("foundations.language", name):
        total = by_layers(measured, settings["num_hidden_layers"])
    number, rest = int(total["parameters"]), int(total["rest"])
    largest = max(rest, (number - rest) // settings["num_hidden_layers"])
    return Reading(
        number,
        int(total["trained"]),
        int(total["frozen"]),
        largest,
        total["forward"],
        total["train"],
        *_lines(total, at_once),
        width,
    )


def _training(
    forward: Callable[[int], torch.Tensor], bf16: bool, at_once: int, recomputed: Iterable[nn.Module] = ()
) -> dict[str, float]:
    once, twice = (
        look(partial(forward, n), bf16=bf16, backward=True, recomputed=recomputed) for n in (at_once, 2 * at_once)
    )
    return {
        "train": once.flops / at_once, "kept": once.kept, "most": once.most,
        "kept twice": twice.kept, "most twice": twice.most,
    }  # fmt: skip


def _lines(total: dict[str, float], at_once: int) -> tuple[Line, Line]:
    kept, most = (Line.through(at_once, total[name], total[f"{name} twice"]) for name in ("kept", "most"))
    return kept, most


def _no_tokens(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    raise NotImplementedError("a plan has lengths of prompts, not their tokens")


def _painting(config: RunConfig, grid: Grid, width: int, checkpointing: bool, at_once: int) -> Painting:
    how, bf16 = config.sampling, config.compute.precision == "bf16"
    queries, passes = build.queries(config, grid), 1
    layers = getattr(config.head, "layers", 0)  # equal ones; a head without layers is measured as a whole

    def measured(layers: int) -> dict[str, float]:
        nonlocal passes
        sizes: Any = {"layers": layers} if layers else {}
        few = replace(config, head=replace(config.head, **sizes), compute=ComputeConfig(checkpointing=checkpointing))
        head: Any = build.objective(few, grid, width)
        with_gradients(head)
        passes = _passes(how) if head.stochastic else 1

        def loss(number: int) -> torch.Tensor:
            states = Condition(torch.zeros(number, queries, width, requires_grad=True))
            value: torch.Tensor = head.loss(grid.example(number), states, NoNoise(number))
            return value

        def sample() -> torch.Tensor:
            states = Condition(torch.zeros(1, queries, width))
            value: torch.Tensor = head.sample(states, NoNoise(1), Sampling(steps=1, guidance=1.0)).tokens
            return value

        blocks = build.blocks(head) if checkpointing else []
        trained = _training(loss, bf16, at_once, blocks)
        head.requires_grad_(False)
        sampling = look(sample, bf16=bf16)
        return {"parameters": parameters(head), "sample": sampling.flops, "sampling": sampling.most, **trained}

    with on_meta("head", "of these settings"):
        total = by_layers(measured, layers)
    guided = 2 if passes > 1 and how.guidance != 1 else 1
    sample, sampling = total["sample"] * passes, total["sampling"] * guided
    return Painting(int(total["parameters"]), total["train"], sample, *_lines(total, at_once), sampling)


def _passes(how: Sampling) -> int:
    """Forward passes through the network for one image."""
    return (2 * how.steps - 1 if how.solver == "heun" else how.steps) * (2 if how.guidance != 1 else 1)
