"""The loss of a generator on samples that no run trains on, part by part (a flow's by time)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from headtohead.eval.metrics.base import Counted, doubles


class HeldOutLoss(Counted):
    """Mean over samples of each part of a loss, from the means of batches.

    names  of the parts; a process that takes part without a batch of its own must be given them
    """

    higher_is_better = False

    def __init__(self, names: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = tuple(names)
        self.lists("losses", "samples")

    def update(self, losses: Mapping[str, float | Tensor], samples: int) -> None:
        """Take one batch.

        losses   mean over the batch of each part, by name; the same names at every update
        samples  in the batch
        """
        self.names = tuple(losses)
        self.append("losses", [float(value) for value in losses.values()])
        self.append("samples", [samples])

    def compute(self) -> dict[str, Tensor]:
        samples = self.joined("samples")
        losses = self.joined("losses").reshape(len(samples), len(self.names))
        return doubles(dict(zip(self.names, (samples / samples.sum()) @ losses, strict=True)))

    @property
    def total(self) -> int:
        """Samples so far."""
        return int(np.sum(self.joined("samples")))
