"""The LightningModule: one for all designs. It knows queries, a head and an optimizer, and no axis by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headtohead.computing import autocast
from headtohead.config import RunConfig
from headtohead.data.encoded import Encode, StepBatch
from headtohead.heads.base import GenerationHead
from headtohead.heads.draws import Draws, Rows
from headtohead.learner import Learner
from headtohead.query import QueryEncoder
from headtohead.shapes import Condition

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


class DesignModule(Learner[Generator]):
    def __init__(self, generator: Generator, config: RunConfig, encode: Encode) -> None:
        """`encode` turns a batch's pictures into image tokens, where they were not encoded beforehand."""
        super().__init__(generator, config.train, config.compute, config.seed)
        self.encode = encode

    def training_step(self, batch: StepBatch, _: int) -> Tensor:
        # Noise and times of a step depend on seed and step alone, so a resumed run draws what it would have drawn.
        rows = Rows(batch.start, self.settings.batch)
        draws = Draws(self.seed * 1_000_003 + self.global_step, rows, batch.x_1.device)
        with autocast(self.compute, self.device):
            x_1 = (self.encode(pixels(batch.x_1)) if batch.x_1.dim() == PICTURES else batch.x_1).float()
            condition = self.net.condition(batch.captions)
            loss = self.net.generation.loss(x_1, condition, draws)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss
