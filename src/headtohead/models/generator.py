"""The LightningModule: one for all designs. It knows queries, a head and an optimizer, and no axis by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headtohead.models.objectives.base import GenerationHead
from headtohead.models.query_encoder import QueryEncoder
from headtohead.utils.tensor_shapes import Condition

PICTURES = 4  # dimensions of a batch of them; image tokens have one less


def pixels(pictures: Tensor) -> Tensor:
    """In [0, 1], as encoders want them; shards give bytes."""
    return pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures


class Generator(nn.Module):
    """Prompts to image tokens: what is trained, averaged and saved."""

    def __init__(self, queries: QueryEncoder, head: nn.Module) -> None:
        super().__init__()
        self.queries, self.head = queries, head

    def condition(self, prompts: list[str]) -> Condition:
        condition: Condition = self.queries(prompts)
        return condition

    @property
    def generation(self) -> GenerationHead:
        return self.head  # type: ignore[return-value]

    def units(self) -> list[nn.Module]:
        """In which weights are sharded, inner ones first: what repeats, then what is called as a whole."""
        layers = [layer for lists in self.modules() if isinstance(lists, nn.ModuleList) for layer in lists]
        return [*layers, self.queries, *self.head.children()]

    def trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if p.requires_grad}
