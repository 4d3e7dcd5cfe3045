"""Root mean square norms that a CPU computes, gradient included, in few passes over memory.

torch has a fused kernel for CUDA alone; on a CPU it takes the norm apart into many products with memory of their own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaRMSNorm


class _Rms(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """x (..., d) of any floating type, computed in single precision at least; weight (d,)."""
        wide = x.float() if x.dtype == torch.bfloat16 else x
        length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        n = (wide * inverse).to(x.dtype)
        ctx.save_for_backward(n, weight, inverse)
        return n * weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        n, weight, inverse = ctx.saved_tensors
        (g,), kind = gradients, n.dtype
        of_weight = (g * n).flatten(0, -2).sum(0).to(weight.dtype) if ctx.needs_input_grad[1] else None
        g = g * weight
        if n.dtype == torch.bfloat16:
            g, n = g.float(), n.float()
        along = (g * n).mean(-1, keepdim=True)
        of_x = torch.addcmul(g, n, along, value=-1).mul_(inverse)
        return of_x.to(kind), of_weight, None


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x (..., d) divided by its root mean square over d, times the weight (d,), in the type of both.

    Plans count memory on `meta`, where it keeps as much for the gradient as CUDA's fused kernel does.
    """
    if x.device.type not in ("cpu", "meta") or torch.compiler.is_compiling():
        return F.rms_norm(x, weight.shape, weight, eps)
    out: Tensor = _Rms.apply(x, weight, eps)
    return out


class RMSNorm(nn.RMSNorm):
    """In the weight's type, as CUDA's autocast computes it anyway."""

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x.to(self.weight.dtype), self.weight, self.eps or 0.0)


class _Llama(LlamaRMSNorm):  # type: ignore[misc]
    def forward(self, hidden_states: Tensor) -> Tensor:
        return rms_norm(hidden_states, self.weight, self.variance_epsilon)


def use_in(model: PreTrainedModel) -> None:
    """Let a Llama that computes on the CPU norm in this way."""
    for module in model.modules():
        if type(module) is LlamaRMSNorm:
            module.__class__ = _Llama
