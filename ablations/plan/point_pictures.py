"""How many images the points of a run's curve generate."""

from __future__ import annotations

from dataclasses import dataclass

from headtohead.config.run_config import RunConfig
from headtohead.eval.benchmarks.base import from_files
from headtohead.eval.curve_points import score


@dataclass(frozen=True)
class Points:
    on_the_way: int  # points before the last one
    a_point: int  # images of each of them
    the_last: int  # images of the last point, which uses all prompts

    @property
    def pictures(self) -> int:
        return self.on_the_way * self.a_point + self.the_last

    @property
    def if_each_used_all(self) -> int:
        return (self.on_the_way + 1) * self.the_last


def of(config: RunConfig) -> Points:
    """Images of a run's points.

    config  of the run; `exam` names the benchmarks' files. Where it names none, they count as published
    """
    number = len(range(config.evaluation.every, config.train.steps, config.evaluation.every))
    if config.exam.source == "world":
        return Points(number, *(score.pictures(config.evaluation, last) for last in (False, True)))
    return Points(number, *(_of_files(config, last) for last in (False, True)))


def _of_files(config: RunConfig, last: bool) -> int:
    """Images of one point of the benchmarks whose files are configured."""
    there = {b: len(b.items(config.exam)) for b in from_files(config.exam)}
    if not any(there.values()):
        there = {b: b.published for b in there}
    limits = {b: b.limit(config.evaluation, last) for b in there}
    return sum(min(limits[b] or most, most) * b.pictures(config.exam) for b, most in there.items())
