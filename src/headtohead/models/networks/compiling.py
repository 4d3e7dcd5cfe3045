"""Compile a network's blocks where that pays, and say why where it cannot be done."""

from __future__ import annotations

import functools
import logging
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

WORTH = 400  # steps of the shortest run that is compiled: on a CPU, compiling takes as long as it saves in as many


def compile_blocks(blocks: Sequence[nn.Module]) -> None:
    # It warns of a CUDA toolkit without a GPU, which nobody wants to compile for.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    for block in blocks:
        block.forward = _Compiled(block)


class _Compiled:
    """A block's `forward`, compiled twice: for training, whose shapes never change, and for everything without
    gradient, whose batches have any size.

    Were the two one, the code of a training step would depend on what was sampled before it, and a run that goes on
    after a stop would differ in rounding from one that never stopped.
    """

    def __init__(self, block: nn.Module) -> None:
        self.block, self.plain = block, block.forward
        self.training = torch.compile(self.plain, fullgraph=True, dynamic=False)
        self.sampling = torch.compile(self.plain, fullgraph=True, dynamic=True)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if lacking(next(self.block.parameters()).device.type):
            return self.plain(*inputs, **named)
        return (self.training if torch.is_grad_enabled() else self.sampling)(*inputs, **named)


@functools.cache
def lacking(device: str) -> str:
    """What compiling for a device needs and this machine does not have; nothing where it can be done."""
    if device == "meta":
        return "numbers"
    if torch.device(device).type != "cpu":
        return ""
    from torch._inductor import cpp_builder, exc  # a second that only those pay who compile

    try:
        cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler:
        return "a C++ compiler"
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return "" if headers.exists() else "Python's headers"
