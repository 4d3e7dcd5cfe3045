"""What pictures score in an exam. Sees pictures and prompts, never the model; curves and ceilings both use it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headtohead.config.run_config import EvalConfig
from headtohead.eval.benchmarks import dpg, geneval
from headtohead.eval.benchmarks.diversity import pairwise
from headtohead.eval.benchmarks.fid import fid
from headtohead.eval.curve_points import prompts
from headtohead.eval.curve_points.prompts import Exam
from headtohead.eval.judges.base import Answerer, ColourClassifier, Detector
from headtohead.synthetic.prompts import dense_prompts, short_prompts
from headtohead.synthetic.prompts.short_prompts import Prompt, request
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw

Features = NDArray[np.float64]
T = TypeVar("T")

GROUPS = (("seen", True), ("unseen", False))  # combinations that training shows, and those it holds out
A_PROMPT = 4  # pictures a prompt, for diversity
RENDERS = 920_000  # the seed of true renders of a prompt


class Judge(Detector, ColourClassifier, Answerer, Protocol):
    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Point:
    """The numbers of one evaluation, and how many pictures each stands on."""

    values: dict[str, float]
    n: dict[str, int]
    scores: tuple[float, ...] = ()  # each picture's, in the exam's order
    reasons: dict[int, str] | None = None  # why a picture failed, where GenEval's rules say


@torch.no_grad()
def features_of(pictures: Tensor, net: nn.Module, batch: int = 128) -> Features:
    """(B, d) in double precision, as Fréchet distances need them."""
    return torch.cat([net(part) for part in pictures.split(batch)]).double().cpu().numpy()


def score(test: Exam, pictures: Tensor, judge: Judge, net: nn.Module, reference: Features) -> Point:
    """GenEval by task, DPG by category, both overall and on seen and unseen combinations; FID against renders."""
    short = len(test.lines)
    verdicts = geneval.judge(test.lines, pictures[:short], judge, judge)
    graded = dpg.judge(test.questions, pictures[short:], judge)
    values = {
        **_apart("geneval", geneval.scores, verdicts, test.seen[:short]),
        **_apart("dpg", dpg.scores, graded, test.seen[short:]),
        "fid": fid(reference, features_of(pictures, net)),
    }
    tasks = Counter(f"geneval/{v.tag}" for v in verdicts)
    groups = {
        f"{name}/{group}": int((seen == wanted).sum())
        for name, seen in (("geneval", test.seen[:short]), ("dpg", test.seen[short:]))
        for group, wanted in GROUPS
    }
    return Point(
        values,
        {"geneval": short, "dpg": len(graded), "fid": len(pictures), **tasks, **groups},
        (*(float(v.correct) for v in verdicts), *(round(g.score, 4) for g in graded)),
        {k: "; ".join(v.reasons) for k, v in enumerate(verdicts) if v.reasons},
    )


def _apart(
    name: str, scores: Callable[[Sequence[T]], dict[str, float]], marks: Sequence[T], seen: NDArray[np.bool_]
) -> dict[str, float]:
    """All scores of all pictures, and the overall one of those that ask for seen and for unseen combinations."""
    out = {f"{name}/{key}": value for key, value in scores(marks).items()} if marks else {}
    for group, wanted in GROUPS:
        part = [mark for mark, s in zip(marks, seen, strict=True) if s == wanted]
        if part:
            out[f"{name}/{group}"] = scores(part)["overall"]
    return out


def renders(lines: list[dict[str, Any]], device: str) -> Tensor:
    """As many true pictures: what diversity would be if every right picture were as likely."""
    requests = [request(Prompt.of(line)) for line in lines]
    drawn = [draw(RENDERS, np.array([k]), request=r, held_out=True) for k, r in enumerate(requests)]
    return render(Scenes.cat(drawn), device)


def several(test: Exam, prompts: int) -> list[dict[str, Any]]:
    """The lines whose prompts are asked for several pictures each, a prompt's pictures behind one another."""
    rows = np.linspace(0, len(test.lines) - 1, prompts).astype(int)
    return [test.lines[k] for k in rows for _ in range(A_PROMPT)]


def spread(lines: list[dict[str, Any]], drawn: dict[str, Tensor], judge: Judge, net: nn.Module) -> Point:
    """Diversity of the pictures of a prompt, for each way in which they were drawn, beside that of true renders.

    Of those that the judge accepts; and, as `..._all`, of all, which says whether a model gives one picture a prompt.
    """
    values: dict[str, float] = {}
    n: dict[str, int] = {}
    device = str(next(iter(drawn.values())).device)
    for name, pictures in {**drawn, "renders": renders(lines, device)}.items():
        accepted = np.array([v.correct for v in geneval.judge(lines, pictures, judge, judge)])
        features = features_of(pictures, net)
        features = features.reshape(-1, A_PROMPT, features.shape[1])
        counted = {name: accepted, f"{name}_all": np.ones_like(accepted)} if name in drawn else {name: accepted}
        for key, kept in counted.items():
            value, prompts = pairwise(features, kept.reshape(-1, A_PROMPT))
            if prompts:
                values[f"diversity/{key}"] = value
                n[f"diversity/{key}"] = int(kept.sum())
    return Point(values, n)


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
    whole = (sum(prompts.A_PROMPT.get(p.tag, 1) for p in short_prompts.geneval(e.split)), dense_prompts.NUMBER)
    spread = 2 * A_PROMPT * e.diverse  # drawn once and decoded twice
    return sum(limit or whole) + spread + A_TASK * len(short_prompts.TASKS) + TIMES * len(OFTEN)
