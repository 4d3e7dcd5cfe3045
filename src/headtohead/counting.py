"""FLOPs of some work, counted by torch: matrix products, convolutions and attention, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

# torch counts the attention kernels of GPUs only; a run's account must not depend on the device that it ran on.
ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(grad, query, key, value))


def counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping={ATTENTION: _forward, BACKWARD: _backward})


def flops(work: Callable[[], Any]) -> float:
    """Without the fused encoder layers that torch takes where no gradient is wanted: it does not count those."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with counter() as counted:
            work()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return float(counted.get_total_flops())
