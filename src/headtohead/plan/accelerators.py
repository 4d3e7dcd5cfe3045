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
    float32: float  # where it may not

    def peak(self, precision: str) -> float:
        """FLOP/s."""
        peaks: dict[str, float] = {"bf16": self.bf16, "tf32": self.tf32, "float32": self.float32}
        return peaks[precision] * TERA


KINDS = {
    kind.name: kind
    for kind in (
        Accelerator("b200", 178, 2250, 1100, 75),
        Accelerator("h200", 140, 989, 495, 67),
        Accelerator("h100", 79, 989, 495, 67),
        Accelerator("h100-pcie", 79, 756, 378, 51),
        Accelerator("a100", 79, 312, 156, 19.5),
        Accelerator("a100-40", 39, 312, 156, 19.5),
        Accelerator("l40s", 45, 362, 183, 91.6),
        Accelerator("l4", 22, 121, 60, 30.3),
        Accelerator("rtx4090", 24, 165, 83, 82.6),
    )
}
