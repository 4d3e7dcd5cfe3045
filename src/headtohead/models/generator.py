"""The generator: query encoder and objective as one module, the same for all designs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from headtohead.models.objectives.base import Objective
from headtohead.models.query_encoder import QueryEncoder
from headtohead.models.standard import Standard, Standardised
from headtohead.utils.tensor_shapes import Condition

PICTURES = 4  # dimensions of a batch of them; image tokens have one less


def pixels(pictures: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) as floating point in [0, 1]; shards give bytes."""
    return pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures


class Generator(nn.Module):
    """Prompts to image tokens. Its trainable weights are what a run trains, averages and saves."""

    def __init__(self, queries: QueryEncoder, head: nn.Module, standard: Standard | None = None) -> None:
        """
        queries   prompts -> condition
        head      an objective around a head's network
        standard  mean and deviation by which the objective's tokens are standardised; None: they are the codec's
        """
        super().__init__()
        self.queries, self.head, self.standard = queries, head, standard

    def condition(self, prompts: list[str]) -> Condition:
        condition: Condition = self.queries(prompts)
        return condition

    @property
    def objective(self) -> Objective[Any]:
        own: Objective[Any] = self.head  # type: ignore[assignment]
        return Standardised(own, self.standard) if self.standard else own

    def units(self) -> list[nn.Module]:
        """The modules that are sharded one by one, inner ones first: equal layers, then encoder and networks."""
        layers = [layer for lists in self.modules() if isinstance(lists, nn.ModuleList) for layer in lists]
        return [*layers, self.queries, *self.head.children()]

    def trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def language(self) -> dict[str, nn.Parameter]:
        """Those of the trained weights that are the language model's."""
        own = {id(p) for p in self.queries.model.parameters()}
        return {name: p for name, p in self.trained().items() if id(p) in own}
