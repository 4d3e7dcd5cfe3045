"""Distribute batches over ranks; gather the results on rank 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, distributed


def world() -> tuple[int, int]:
    """Rank and number of processes."""
    if not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def first() -> bool:
    return world()[0] == 0


T = TypeVar("T")


def broadcast(value: T) -> T:
    """Rank 0's value, on every rank."""
    if world()[1] == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, 0)
    return box[0]


def shared(batches: list[Tensor], work: Callable[[Tensor], Tensor]) -> Tensor:
    """Distribute batches over ranks and gather the results on rank 0, in order; other ranks return an empty tensor.

    In every round each rank works on a batch, even if its result is not needed: sharded weights are gathered by all.

    batches  row numbers of each batch
    work     row numbers (b,) -> result (b, ...)
    """
    rank, number = world()
    if number == 1:
        return torch.cat([work(batch) for batch in batches])
    out: list[Tensor] = []
    for start in range(0, len(batches), number):
        mine = batches[min(start + rank, len(batches) - 1)]
        done = work(mine).contiguous()
        longest = max(len(b) for b in batches)
        padded = done.new_zeros(longest, *done.shape[1:])
        padded[: len(done)] = done
        into = [torch.empty_like(padded) for _ in range(number)] if rank == 0 else None
        distributed.gather(padded, into)
        for k, part in enumerate(into or ()):
            if start + k < len(batches):
                out.append(part[: len(batches[start + k])])
    return torch.cat(out) if out else done[:0]
