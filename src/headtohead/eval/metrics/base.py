"""Metrics in torchmetrics' form, on which benchmarks build: they accumulate over batches and merge over processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric


def doubles(values: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: torch.tensor(float(value), dtype=torch.float64) for name, value in values.items()}


class Counted(Metric):
    """A metric whose states are sums and lists of numbers in double precision, so that processes merge exactly."""

    full_state_update: bool | None = False
    higher_is_better: bool | None = True
    is_differentiable = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_dtype(torch.float64)

    def sums(self, *names: str, shape: Sequence[int] = (), dtype: torch.dtype = torch.int64) -> None:
        for name in names:
            self.add_state(name, torch.zeros(tuple(shape), dtype=dtype), dist_reduce_fx="sum")

    def lists(self, *names: str) -> None:
        """Of one-dimensional tensors: processes may hold different numbers of elements, or none."""
        for name in names:
            self.add_state(name, [], dist_reduce_fx="cat")

    def joined(self, name: str) -> NDArray[np.float64]:
        """(n,) float64, the elements of a list state."""
        rows: Any = getattr(self, name)
        rows = rows if isinstance(rows, list) else [rows]
        out: NDArray[np.float64] = torch.cat(rows).cpu().numpy() if rows else np.zeros(0)
        return out

    def values(self) -> dict[str, float]:
        """The scores of a metric that computes several."""
        return {name: float(value) for name, value in self.compute().items()}

    def append(self, name: str, values: Any) -> None:
        """Numbers, an array or a tensor of any shape, flattened, to a list state."""
        getattr(self, name).append(
            torch.as_tensor(values, dtype=torch.float64, device=self.device).detach().flatten().clone()
        )


class TaskShares(Counted):
    """Share of pictures that are right, for each task, and `overall`: the unweighted mean of the tasks that occur.

    tasks  names of all tasks, in the order of `compute`; update takes what has a `task` and a `score` of 0 or 1
    """

    right: Tensor
    total: Tensor

    def __init__(self, tasks: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tasks = tuple(tasks)
        self.sums("right", "total", shape=[len(tasks)])

    def update(self, judged: Iterable[Any]) -> None:
        for one in judged:
            self.total[self.tasks.index(one.task)] += 1
            self.right[self.tasks.index(one.task)] += int(one.score)

    def compute(self) -> dict[str, Tensor]:
        rows = zip(self.tasks, self.right.tolist(), self.total.tolist(), strict=True)
        shares = {task: right / total for task, right, total in rows if total}
        return doubles({**shares, "overall": np.mean(list(shares.values()))})
