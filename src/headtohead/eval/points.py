"""One point of a run's curves: what is asked, and what pictures score. Sees pictures and prompts, never the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from headtohead.eval import dpg, geneval
from headtohead.eval.ceilings import Exam, features_of
from headtohead.eval.diversity import pairwise
from headtohead.eval.fid import fid
from headtohead.foundations.features import FeatureNet
from headtohead.world.judge import PixelJudge
from headtohead.world.prompts import Prompt, request
from headtohead.world.render import render
from headtohead.world.scenes import Scenes, draw

Paint = Callable[[list[str], int, int | None], Tensor]  # (prompts, noise seed, decoder seed or None) -> pictures

A_PROMPT = 4  # pictures a prompt, for diversity
NOISE, DECODER, RENDERS = 900_000, 910_000, 920_000  # seeds of diversity's draws


@dataclass(frozen=True)
class Point:
    """The numbers of one evaluation, how many pictures each stands on, and each prompt's score."""

    values: dict[str, float]
    n: dict[str, int]
    prompts: list[dict[str, Any]]


def score(test: Exam, pictures: Tensor, judge: PixelJudge, net: FeatureNet, reference: np.ndarray) -> Point:
    """GenEval by task, seen and unseen; DPG overall and by category; FID against independent renders."""
    short = len(test.lines)
    verdicts = geneval.judge(test.lines, pictures[:short], judge, judge)
    values = {f"geneval/{k}": v for k, v in geneval.scores(verdicts).items()}
    for name, wanted in (("seen", True), ("unseen", False)):
        part = [v for v, s in zip(verdicts, test.seen[:short], strict=True) if s == wanted]
        if part:
            values[f"geneval/{name}"] = geneval.scores(part)["overall"]
    graded = dpg.judge(test.questions, pictures[short:], judge)
    values |= {f"dpg/{k}": v for k, v in dpg.scores(graded).items()}
    for name, wanted in (("seen", True), ("unseen", False)):
        rows = [g for g, s in zip(graded, test.seen[short:], strict=True) if s == wanted]
        if rows:
            values[f"dpg/{name}"] = dpg.scores(rows)["overall"]
    values["fid"] = fid(reference, features_of(pictures, net))
    told = [
        *({"prompt": t, "task": v.tag, "seen": bool(s), "score": float(v.correct), "reasons": v.reasons}
          for t, v, s in zip(test.texts, verdicts, test.seen, strict=False)),
        *({"prompt": t, "task": "dpg", "seen": bool(s), "score": g.score}
          for t, g, s in zip(test.texts[short:], graded, test.seen[short:], strict=True)),
    ]  # fmt: skip
    return Point(values, {"geneval": short, "dpg": len(graded), "fid": len(pictures)}, told)


def renders(lines: list[dict[str, Any]], device: str) -> Tensor:
    """As many true pictures: what diversity would be if every right picture were as likely."""
    requests = [request(Prompt.of(line)) for line in lines]
    drawn = [draw(RENDERS, np.array([k]), request=r, held_out=True) for k, r in enumerate(requests)]
    return render(Scenes.cat(drawn), device)


def spread(test: Exam, paint: Paint, judge: PixelJudge, net: FeatureNet, prompts: int) -> Point:
    """Diversity of several pictures of a prompt: decoder noise fixed, decoder noise drawn, and of true renders."""
    rows = np.linspace(0, len(test.lines) - 1, prompts).astype(int)
    lines = [test.lines[k] for k in rows for _ in range(A_PROMPT)]
    texts = [line["prompt"] for line in lines]
    values: dict[str, float] = {}
    n: dict[str, int] = {}
    ways: dict[str, Callable[[], Tensor]] = {
        "fixed": lambda: paint(texts, NOISE, None),
        "drawn": lambda: paint(texts, NOISE, DECODER),
        "renders": lambda: renders(lines, str(test.pictures.device)),
    }
    for name, pictures_of in ways.items():
        pictures = pictures_of()
        accepted = np.array([v.correct for v in geneval.judge(lines, pictures, judge, judge)])
        features = features_of(pictures, net).reshape(prompts, A_PROMPT, -1)
        value, counted = pairwise(features, accepted.reshape(prompts, A_PROMPT))
        if counted:
            values[f"diversity/{name}"] = value
            n[f"diversity/{name}"] = int(accepted.sum())
    return Point(values, n, [])
