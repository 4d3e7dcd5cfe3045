"""What accelerators can do, from their makers' data sheets: dense peaks, without the factor of two for sparsity."""

from __future__ import annotations

from dataclasses import dataclass

TERA, GIB = 1e12, 2**30


@dataclass(frozen=True)
class Accelerator:
    name: str
    memory: float  # GiB that a program sees
    bf16: float  # TFLOP/s
    tf32: float  # of products in single precision where PyTorch may use tensor cores for them

    def peak(self, precision: str) -> float:
        """FLOP/s."""
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
