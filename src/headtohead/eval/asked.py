"""How much a point in the embedded world asks."""

from __future__ import annotations

from headtohead.config import EvalConfig
from headtohead.eval import exam, points
from headtohead.world import dense_prompts, prompts

A_TASK = 2  # prompts a task in a sample grid, the same ones at every point of every design
OFTEN = (0, 2, 6, 8)  # of those, the prompts of which several pictures are shown
TIMES = 4


def limit_of(e: EvalConfig, last: bool) -> tuple[int, int] | None:
    """How many of GenEval's and of DPG's prompts are asked; none means all."""
    if last:
        return (e.final_geneval, e.final_dpg) if e.final_geneval and e.final_dpg else None
    return e.geneval, e.dpg


def pictures(e: EvalConfig, last: bool) -> int:
    limit = limit_of(e, last)
    whole = (sum(exam.A_PROMPT.get(p.tag, 1) for p in prompts.geneval(e.split)), dense_prompts.NUMBER)
    spread = 2 * points.A_PROMPT * e.diverse  # drawn once and decoded twice
    return sum(limit or whole) + spread + A_TASK * len(prompts.TASKS) + TIMES * len(OFTEN)
