"""What the planner says of a line: pictures a second at 40 % of the data sheet's peak, FLOPs, and memory."""

from __future__ import annotations

import gc
import signal
from functools import cache

from ablations.bench.gpu.lines import Line
from ablations.bench.gpu.sizes import Sizes
from ablations.plan.one_design import accelerators, cost, frozen, memory
from ablations.plan.one_design.accelerators import KINDS, TERA
from ablations.plan.one_design.cost import Cost
from headtohead.models import build

UTILISATION = 0.4  # as `make plan` assumes
AT_ONCE = 8  # pictures by which the memory of a picture is measured
_SIZES: list[Sizes] = []  # of this process


def begin(sizes: Sizes) -> None:
    """Note the sizes of the lines that will be planned."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends its processes
    gc.disable()  # as of the planner's own command: a million small objects of networks that are only looked at
    _SIZES[:] = [sizes]


@cache
def _cost(line: Line) -> Cost:
    (sizes,) = _SIZES
    config = sizes.config(line)
    codec = frozen.of(build.image_tokens(config), sizes.decoder(line))
    return cost.of(config, codec, accelerators.tokens(config), AT_ONCE)


def figures(line: Line, gpu: str, peak: float) -> dict[str, float]:
    """Of one device.

    line  of a design
    gpu   kind whose data sheet counts; where it is none of the planner's, the measured peak does
    peak  measured, TFLOP/s
    """
    c = _cost(Line("plan", "plan", line.scale, line.design, checkpointing=line.checkpointing))
    rate = UTILISATION * (KINDS[gpu].peak("bf16") if gpu in KINDS else peak * TERA)
    if line.kind in ("sampling", "decoding"):
        flops = c.sample if line.kind == "sampling" else c.frozen.decode.flops
        return {"planned TFLOP a picture": flops / TERA, **({"planned pictures/s": rate / flops} if rate else {})}
    encode = c.frozen.encode
    flops = c.train + line.live * encode.flops
    m = memory.of(_SIZES[0].config(line), c, 1)
    held = m.lasting - m.codec + memory.SINGLE * line.live * encode.parameters
    most = max(m.copies + m.activations, line.live * line.batch * encode.most)
    return {
        "planned TFLOP a picture": flops / TERA, **({"planned pictures/s": rate / flops} if rate else {}),
        "planned MB": (held + most) / 2**20,
    }  # fmt: skip
