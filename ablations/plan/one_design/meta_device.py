"""Measure FLOPs and memory of PyTorch code on the meta device, where tensors have shapes and no values."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from headtohead.utils.compute import ATTENTION, counter

# Functions that CUDA's autocast computes in bf16 (_LOW) and in single precision (_HIGH), of those that occur here.
_LOW = {
    F.linear, F.conv2d, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm, torch.baddbmm,
    torch.addmm, torch.einsum,
}  # fmt: skip
_NORMS = {F.layer_norm, F.rms_norm, F.group_norm}
_HIGH = {*_NORMS, F.mse_loss, F.softmax, torch.softmax, Tensor.softmax, F.interpolate}


def _tensors(things: Iterable[Any]) -> Iterator[Tensor]:
    """Tensors among arguments or results, also inside lists."""
    for x in things:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from (y for y in x if isinstance(y, Tensor))


class _Kept(torch.autograd.Function):
    """A fused kernel that saves its inputs for the backward pass; the meta device would decompose norms and GELU."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> Tensor:
        ctx.save_for_backward(*given)
        return torch.empty_like(given[0])

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor | None, ...]:
        wanted = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=True)
        return tuple(torch.empty_like(x) if needed else None for x, needed in wanted)


class Kernels(TorchFunctionMode):
    """Emulate a GPU on the meta device: attention without a stored score matrix, and the types of autocast."""

    def __init__(self, bf16: bool) -> None:
        super().__init__()
        self.bf16, self._copies = bf16, dict[int, Tensor]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        if self.bf16 and (func in _LOW or func in _HIGH):
            kind = torch.bfloat16 if func in _LOW else torch.float32
            args = [self._cast(x, kind) for x in args]
            kwargs = {name: self._cast(x, kind) for name, x in kwargs.items()}
        if func in _NORMS or func is F.gelu:
            out: Tensor = _Kept.apply(*_tensors((*args, *kwargs.values())))
            return out
        return func(*args, **kwargs)

    def around(self, forward: Callable[..., Any], *args: Any) -> Any:
        with self:
            return forward(*args)

    def forget(self) -> None:
        """Drop the cached bf16 weights, as autocast does at the end of its context."""
        self._copies.clear()

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        if self.bf16:
            query, key, value = (self._cast(x, torch.bfloat16) for x in (query, key, value))
        out: Tensor = ATTENTION(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]
        return out

    def _cast(self, x: Any, kind: torch.dtype) -> Any:
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.dtype is kind:
            return x
        if not (x.requires_grad and x.is_leaf and isinstance(x, nn.Parameter)):
            return x.to(kind)
        if id(x) not in self._copies:  # autocast caches its copies of trained weights
            self._copies[id(x)] = x.to(kind)
        return self._copies[id(x)]


class Looking(TorchDispatchMode):
    """Counts FLOPs, the bytes of new tensors that are alive, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.now = self.most = 0
        self._formulas, self._seen = counter().flop_registry, set[int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for x in _tensors((*args, *kwargs.values())):
            if self._new(x):  # existed before; its bytes are not counted
                weakref.finalize(x.untyped_storage(), self._gone, x.untyped_storage()._cdata, 0)
        out = func(*args, **kwargs)
        if formula := self._formulas.get(func._overloadpacket):
            self.flops += formula(*args, **kwargs, out_val=out)
        for x in _tensors((out,)):
            if self._new(x):
                size = x.untyped_storage().nbytes()
                self.now += size
                self.most = max(self.most, self.now)
                weakref.finalize(x.untyped_storage(), self._gone, x.untyped_storage()._cdata, size)
        return out

    def _new(self, x: Tensor) -> bool:
        place = x.untyped_storage()._cdata
        if place in self._seen:
            return False
        self._seen.add(place)
        return True

    def _gone(self, place: int, size: int) -> None:
        self._seen.discard(place)
        self.now -= size


@dataclass(frozen=True)
class Seen:
    flops: float
    most: float  # peak bytes beside weights and gradients
    kept: float  # bytes alive at the end of the forward pass


def look(
    work: Callable[[], Tensor], *, bf16: bool, backward: bool = False, recomputed: Iterable[nn.Module] = ()
) -> Seen:
    """Run a computation once and measure it.

    work        the forward pass
    bf16        whether it runs under autocast
    backward    whether a backward pass from its result follows
    recomputed  modules that checkpointing computes again in the backward pass
    """
    with Kernels(bf16) as kernels, Looking() as seen:
        result = work()
        kernels.forget()
        kept = seen.now
        if backward:
            for module in recomputed:  # function modes do not reach into a backward pass
                module.forward = partial(kernels.around, type(module).forward, module)
            result.sum().backward()
            for module in recomputed:
                del module.forward
        del result
    return Seen(seen.flops, seen.most, kept)


@dataclass(frozen=True)
class NoNoise:
    """Draws of an objective as zeros: the meta device has no generator."""

    rows: int

    def uniform(self, *shape: int) -> Tensor:
        return torch.zeros(self.rows, *shape)

    normal = uniform


def parameters(module: nn.Module, trained: bool | None = None) -> int:
    return sum(p.numel() for p in module.parameters() if trained is None or p.requires_grad == trained)


def with_gradients(module: nn.Module) -> None:
    """Allocate gradients, as every step but the first finds them."""
    for p in module.parameters():
        if p.requires_grad:
            p.grad = torch.zeros_like(p)


@dataclass(frozen=True)
class Line:
    """Bytes as a linear function of the images in a batch."""

    fixed: float
    each: float

    def at(self, pictures: int) -> float:
        return self.fixed + self.each * pictures

    @classmethod
    def through(cls, pictures: int, once: float, twice: float) -> Line:
        """From the bytes of a batch (`once`) and of one twice as large (`twice`)."""
        each = (twice - once) / pictures
        return cls(max(0.0, once - each * pictures), min(each, once / pictures))


FEW = 2  # layers


def by_layers(measured: Callable[[int], Mapping[str, float]], layers: int) -> dict[str, float]:
    """Measure many equal layers from one and two of them: everything counted here is linear in their number."""
    if layers <= FEW:
        return dict(measured(layers))
    less, more = measured(FEW - 1), measured(FEW)
    return {name: less[name] + (layers - FEW + 1) * (more[name] - less[name]) for name in less}
