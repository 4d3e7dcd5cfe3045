"""Accelerators' memory and dense peaks from their data sheets (without the factor of two for sparsity)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headtohead.config.run_config import SHIPPED, RunConfig
from headtohead.data.synthetic_batches import STREAM
from headtohead.pretrained.making.recipes import CONTEXT
from headtohead.pretrained.networks import small_llama
from headtohead.synthetic.captions.write import of_training
from headtohead.synthetic.scenes import draw

TERA, GIB = 1e12, 2**30


@dataclass(frozen=True)
class Accelerator:
    name: str
    memory: float  # GiB that a program sees
    bf16: float  # TFLOP/s
    tf32: float  # TFLOP/s of single-precision products on tensor cores

    def peak(self, precision: str) -> float:
        """FLOP/s of a precision (bf16 or tf32)."""
        return {"bf16": self.bf16, "tf32": self.tf32}[precision] * TERA


KINDS = {
    kind.name: kind
    for kind in (
        Accelerator("b200", 178, 2250, 1100),
        Accelerator("h200", 140, 989, 495),
        Accelerator("h100", 79, 989, 495),
        Accelerator("h100-pcie", 79, 756, 378),
        Accelerator("a100", 79, 312, 156),
        Accelerator("a100-40", 39, 312, 156),
        Accelerator("l40s", 45, 362, 183),
        Accelerator("l4", 22, 121, 60),
        Accelerator("rtx4090", 24, 165, 83),
    )
}


DETAILED, SHORT, TURN = 120, 20, 50  # mean tokens of the paper's captions, and of the chat template around one
STEPS = 4  # batches of captions whose length is measured


def tokens(config: RunConfig) -> int:
    """Mean tokens of a prompt; with the padding of its group for synthetic captions, whose lengths are known."""
    if config.foundations.language != SHIPPED:
        caption = config.data.dense * DETAILED + (1 - config.data.dense) * SHORT
        return min(round(caption + TURN), config.query.longest)
    batch, dense = config.train.batch, config.data.dense
    index = np.arange(STEPS * batch)
    texts = of_training(draw(STREAM, index), STREAM, index, 0, dense)
    texts = [config.query.template.format(caption=text) for text in texts]
    length = np.sort((small_llama.encode(texts, CONTEXT) != small_llama.PAD).sum(1).numpy().reshape(STEPS, batch), 1)
    groups = np.array_split(np.arange(batch), min(config.query.groups, batch))
    return round(float(np.mean([length[:, g[-1]].repeat(len(g)).mean() for g in groups for _ in g])))
