"""What the GPU benchmark measures, in the order of its importance: one line is one row of results/bench.

A line says what is built; how it is measured is in the module of its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

BEST = 0  # for `Line.batch`: the batch at which the same step in eager mode was fastest
OUT, FAILED, SKIPPED = "out of memory", "failed", "skipped"  # keys of rows without figures, whose value is the reason
FLOW, MSE, LATENTS = "clip_flow", "clip_mse", "vae_flow"
DESIGNS = (FLOW, LATENTS, MSE)  # the paper's
SWEEP = {  # pictures at once, until memory is exhausted
    ("paper", FLOW): (16, 32, 64, 128, 256), ("paper", MSE): (16, 32, 64, 128), ("paper", LATENTS): (4, 8, 16, 32),
    ("single", FLOW): (32, 64, 128), ("single", MSE): (32, 64, 128), ("single", LATENTS): (32, 64, 128),
}  # fmt: skip
NEEDS = {  # seconds that must be left for the first line of its kind to begin; later ones need what one took
    "matmul": 10, "step": 25, "compiled step": 60, "sampling": 25, "decoding": 30, "judge": 40, "distance": 15,
    "trainer": 40, "state": 120,
}  # fmt: skip
AIMS = {("paper", FLOW): 0.40, ("single", FLOW): 0.35}  # share of the measured peak, features cached
LIVE_AIM = 20.0  # pictures/s of ("paper", FLOW) with live encoders, on one H100
JUDGES = ("Mask2Former-swin-s", "CLIP ViT-L/14", "Inception", "BLIP-VQA", "Qwen2.5-VL-3B")


@dataclass(frozen=True)
class Line:
    """One measurement.

    group          of results/bench: rows of a file
    kind           which function measures it
    scale, design  what is built, where it is a design
    batch          pictures at once
    live           whether pictures are encoded in each step
    compiled       whether the head's blocks are
    checkpointing  whether the head's activations are computed again
    strategy       of the trainer
    judge          that is timed
    """

    group: str
    kind: str
    scale: str = ""
    design: str = ""
    batch: int = BEST
    live: bool = False
    compiled: bool = False
    checkpointing: bool = False
    strategy: str = "ddp"
    judge: str = ""

    @property
    def part(self) -> str:
        """Its name in tables and files."""
        if self.judge:
            return self.judge
        what = {"step": "training step", "trainer": f"trainer, {self.strategy}", "state": "save and resume"}
        words = [what.get(self.kind, self.kind)]
        if self.kind == "step":
            words += ["live encoders" if self.live else "cached features", "compiled" if self.compiled else "eager"]
            words += ["checkpointing"] if self.checkpointing else []
        words += [f"{self.batch} at once" if self.batch else "fastest batch"] if self.counted else []
        return f"{self.scale} {self.design}: {', '.join(words)}" if self.design else ", ".join(words)

    @property
    def counted(self) -> bool:
        """Whether it has a batch."""
        return self.kind in ("step", "trainer", "sampling", "decoding")

    @property
    def sort(self) -> str:
        """Under which its duration is expected."""
        return "compiled step" if self.compiled else self.kind

    @property
    def model(self) -> tuple[str, str]:
        return (self.scale, self.design)

    @property
    def of_sweep(self) -> bool:
        """Whether it is one of the eager steps with cached features, of which the fastest decides on other lines'
        batch."""
        return self.kind == "step" and not (self.live or self.compiled or self.checkpointing)

    def at(self, batch: int) -> Line:
        return replace(self, batch=batch)


def lines(sweep: Mapping[tuple[str, str], tuple[int, ...]] = SWEEP, sampled: tuple[int, int] = (8, 64)) -> list[Line]:
    """All of them, the most important first.

    sweep    batches of a training step by scale and design
    sampled  batches of sampling, the first of them a curve's points'
    """
    return list(_lines(sweep, sampled))


def _lines(sweep: Mapping[tuple[str, str], tuple[int, ...]], sampled: tuple[int, int]) -> Iterator[Line]:
    yield Line("matmul", "matmul")
    paper, single = ("paper", FLOW), ("single", FLOW)
    for model in (paper, single):
        yield from _cached(*model, sweep[model])
        yield _step(*model, live=True, compiled=True)
    yield from _pictures(*paper, sampled)
    for model in (("paper", LATENTS), ("paper", MSE)):
        yield from _cached(*model, sweep[model])
    yield from (Line("judges", "judge", judge=judge) for judge in JUDGES)
    for model in (("single", LATENTS), ("single", MSE)):
        yield from _cached(*model, sweep[model])
    yield Line("trainer", "trainer", *paper, strategy="fsdp")
    yield Line("trainer", "trainer", *paper, strategy="ddp")
    for model in sweep:
        if model not in (paper, single):
            yield _step(*model, live=True, compiled=model[1] != MSE)
    for model in (paper, ("paper", LATENTS)):
        yield _step(*model, compiled=True, checkpointing=True)
    yield Line("distance", "distance")
    for model in sweep:
        if model != paper:
            yield from _pictures(*model, sampled)
    yield Line("state", "state", *paper)
    for model in sweep:
        if model[1] != MSE:
            yield _step(*model, live=True)


def _step(scale: str, design: str, *, live: bool = False, compiled: bool = False, checkpointing: bool = False) -> Line:
    return Line("training", "step", scale, design, BEST, live, compiled, checkpointing)


def _cached(scale: str, design: str, batches: tuple[int, ...]) -> Iterator[Line]:
    """Eager at every batch, then compiled at the best; a linear head has no blocks to compile."""
    yield from (Line("training", "step", scale, design, batch) for batch in batches)
    if design != MSE:
        yield _step(scale, design, compiled=True)


def _pictures(scale: str, design: str, batches: tuple[int, int]) -> Iterator[Line]:
    """From prompts to image tokens, and from those to pictures: in the batches of a curve's points, and in large ones.

    The decoder of CLIP tokens is one network for all designs that predict them.
    """
    yield from (Line("sampling", "sampling", scale, design, batch) for batch in batches)
    if design != MSE:
        yield Line("sampling", "decoding", scale, design, batches[0])
