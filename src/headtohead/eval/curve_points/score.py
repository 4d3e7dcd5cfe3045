"""Score images of the embedded dataset's prompts, for points of a curve and for ceilings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headtohead.config.run_config import EvalConfig
from headtohead.eval.benchmarks.base import BENCHMARKS, Item, Judges, spread
from headtohead.eval.curve_points.prompts import PromptSet, wanted
from headtohead.eval.curve_points.real_pictures import Net, RealPictures, features_of
from headtohead.eval.judges.pixels import PixelJudge
from headtohead.eval.judges.scenes import SceneJudge
from headtohead.eval.metrics.diversity import Diversity, share_different
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import FREE, Scenes, draw
from headtohead.synthetic.vocabulary import PICTURE_SIDE
from headtohead.utils.boxes import Detection

GROUPS = (("seen", True), ("unseen", False))  # combinations in the training data, and held-out ones
A_PROMPT = 4  # images of a prompt, for diversity
RENDERS = 920_000  # the seed of true renders of a prompt
A_TASK = 2  # prompts of a task in a sample grid, the same at every point of every design
OFTEN = (0, 2, 6, 8)  # indices of those prompts of which several images are shown
TIMES = 4  # images of each of these


@dataclass(frozen=True)
class Point:
    """The numbers of one evaluation.

    values   by their names on the curve
    n        number of images, by the name of the value or its benchmark
    scores   of the images, in the order of the prompts
    reasons  by image: why it failed, if the benchmark gives reasons
    """

    values: dict[str, float]
    n: dict[str, int]
    scores: tuple[float, ...] = ()
    reasons: dict[int, str] | None = None


def score(test: PromptSet, pictures: Tensor, judge: PixelJudge, real: RealPictures) -> Point:
    """Scores of all benchmarks, over all prompts and over seen and unseen combinations, and of the pictures as a set.

    test      prompts
    pictures  (n, 3, H, W) in [0, 1], one for each item
    judge     detector, colour classifier and question answerer of the embedded dataset
    real      true pictures of the prompts
    """
    values, n, marks = dict[str, float](), dict[str, int](), list[object]()
    for name, items in test.parts.items():
        benchmark, own = BENCHMARKS[name], pictures[len(marks) : len(marks) + len(items)]
        judged = benchmark.judge(items, own, judges(judge))
        values |= by_group(name, items, judged)
        n |= {name: len(items), **Counter(f"{name}/{item.task}" for item in items)}
        n |= {f"{name}/{group}": sum(item.seen == seen for item in items) for group, seen in GROUPS}
        marks += judged
    of_set = real.values(pictures)
    values, n = values | of_set, n | dict.fromkeys(of_set, len(real.rows))
    scores = tuple(round(float(mark.score), 4) for mark in marks)  # type: ignore[attr-defined]
    reasons = {k: reason for k, mark in enumerate(marks) if (reason := getattr(mark, "reason", ""))}
    return Point(values, n, scores, reasons)


def by_group(name: str, items: Sequence[Item], judged: Sequence[Any]) -> dict[str, float]:
    """Scores of a benchmark, and `overall` of seen and unseen combinations, by their names on a curve."""
    values = {f"{name}/{key}": value for key, value in BENCHMARKS[name].scores(items, judged).items()}
    for group, seen in GROUPS:
        rows = [k for k, item in enumerate(items) if item.seen == seen]
        if rows:
            part = BENCHMARKS[name].scores([items[k] for k in rows], [judged[k] for k in rows])
            values[f"{name}/{group}"] = part["overall"]
    return values


def of_scenes(test: PromptSet, scenes: Scenes) -> dict[str, float]:
    """Scores of scenes, one for each item, as they are: no judge has to recognise them in a picture."""
    values, at = dict[str, float](), 0
    for name, items in test.parts.items():
        judge = SceneJudge(scenes[at : at + len(items)])
        values |= by_group(name, items, BENCHMARKS[name].judge(items, torch.empty(0), judges(judge)))
        at += len(items)
    return values


def judges(judge: PixelJudge | SceneJudge) -> Judges:
    """The embedded dataset's judge in every role."""
    return dict.fromkeys(("detector", "colours", "answerer"), judge)


def several(test: PromptSet, prompts: int) -> list[Item]:
    """Items of the first benchmark for diversity, each repeated A_PROMPT times.

    test     prompts
    prompts  number of different prompts
    """
    return [item for item in spread(next(iter(test.parts.values())), prompts) for _ in range(A_PROMPT)]


def diversity(items: Sequence[Item], by_noise: dict[str, Tensor], judge: PixelJudge, net: Net) -> Point:
    """Diversity of the correct images of a prompt, of generated images and of true renders.

    Also of all images, as `<name>_all`, which is 0 for a deterministic model; and how much of what a prompt leaves free
    is used, as a share of what true renders use (`coverage`).

    items     of the first benchmark, from `several`
    by_noise  images (n, 3, H, W) of the items: "fixed" or "drawn" noise of the decoder
    judge     of the embedded dataset
    net       feature network
    """
    benchmark = next(iter(BENCHMARKS.values()))
    device = str(next(iter(by_noise.values())).device)
    true, made = renders(items, device), next(iter(by_noise.values()))
    values = coverage(items, judge.detect(made), judge.detect(true))
    n = dict.fromkeys(values, len(items))
    for name, pictures in {**by_noise, "renders": true}.items():
        accepted = np.array([mark.score == 1 for mark in benchmark.judge(items, pictures, judges(judge))])
        features = features_of(pictures, net)
        counted = {name: accepted, f"{name}_all": np.ones_like(accepted)} if name in by_noise else {name: accepted}
        for key, kept in counted.items():
            metric = Diversity(sync_on_compute=False)
            metric.update(features.reshape(-1, A_PROMPT, features.shape[1]), kept.reshape(-1, A_PROMPT))
            if metric.prompts:
                values[f"diversity/{key}"], n[f"diversity/{key}"] = float(metric.compute()), int(kept.sum())
    return Point(values, n)


def coverage(
    items: Sequence[Item], made: Sequence[Sequence[Detection]], true: Sequence[Sequence[Detection]]
) -> dict[str, float]:
    """How often two images of a prompt differ in the colour, and in the place, of their largest object, where the
    prompt leaves that free: as a share of how often true renders do. All images count, right or wrong.

    items       of the first benchmark, each repeated A_PROMPT times
    made, true  what the judge sees in their images, and in true renders
    """
    requests = [item.request for item in items[::A_PROMPT]]
    free = {
        "colour": [r is not None and set(r.colour) == {FREE} for r in requests],
        "place": [r is not None and set(r.place) <= {FREE} and not r.relations for r in requests],
    }
    out = dict[str, float]()
    for name, rows in free.items():
        ours, theirs = (
            share_different(
                [own[k : k + A_PROMPT] for k, yes in zip(range(0, len(own), A_PROMPT), rows, strict=True) if yes]
            )
            for own in ([_largest(seen).get(name) for seen in images] for images in (made, true))
        )
        if theirs > 0:
            out[f"coverage/{name}"] = ours / theirs
    return out


def _largest(seen: Sequence[Detection]) -> dict[str, Hashable]:
    """Colour and quarter of the picture of the largest object; nothing where there is none."""
    if not seen:
        return {}
    largest = max(seen, key=lambda d: (d.box[2] - d.box[0]) * (d.box[3] - d.box[1]))
    x, y = (largest.box[0] + largest.box[2]) / 2, (largest.box[1] + largest.box[3]) / 2
    return {"colour": largest.colour, "place": (x > PICTURE_SIDE / 2, y > PICTURE_SIDE / 2)}


def renders(items: Sequence[Item], device: str) -> Tensor:
    """Independent true images of the items, for the diversity of a model that samples all correct images equally.

    items   with a scene each
    device  of the images
    """
    requests = [item.request for item in items if item.request is not None]
    scenes = [draw(RENDERS, np.array([k]), request=r, held_out=True) for k, r in enumerate(requests)]
    return render(Scenes.cat(scenes), device)


def pictures(e: EvalConfig, last: bool) -> int:
    """The number of images that a point paints.

    e     evaluation settings
    last  whether it is the last point
    """
    items = [BENCHMARKS[name].synthetic(e.split, number) for name, number in wanted(e, last).items()]
    tasks = dict.fromkeys(item.task for item in next(iter(BENCHMARKS.values())).synthetic(e.split))
    several = 2 * A_PROMPT * e.diverse  # sampled once, decoded twice
    return sum(map(len, items)) + several + A_TASK * len(tasks) + TIMES * len(OFTEN)
