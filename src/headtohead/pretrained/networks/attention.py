"""Scaled dot-product attention, in the type in which a device is fastest at it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask

NAME = "single_precision"  # under which transformers knows it


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
    """(B, heads, N, d): query heads share the key heads in groups.

    query       (B, heads, N, d)
    key, value  (B, kv heads, L, d)
    mask        (B, 1, N, L), true where a query sees a key
    causal      whether query n sees the keys up to n alone; without a mask
    """
    if query.device.type != "cpu":
        grouped = query.shape[1] != key.shape[1]
        return F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal, enable_gqa=grouped)
    # A CPU's fused kernel takes ten times as long for the gradient in bf16 as in single precision.
    with torch.autocast("cpu", enabled=False), sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        q, k, v = (x.float() if x.dtype == torch.bfloat16 else x for x in (query, key, value))
        out = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, enable_gqa=True)
    return out.to(query.dtype)


def use_in(model: PreTrainedModel) -> None:
    """Let a model that computes on the CPU attend in this way."""
    model.set_attn_implementation(NAME)


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_: Any
) -> tuple[Tensor, None]:
    """As transformers calls it, and expects the outcome: (B, N, heads, d)."""
    causal = attention_mask is None and query.shape[2] > 1 and bool(module.is_causal)
    out = attend(query, key, value, attention_mask, causal=causal)
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
