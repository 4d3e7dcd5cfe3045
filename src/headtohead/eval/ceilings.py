"""What no head can beat, and what every head should: ceilings and floors, measured on pictures by the judge.

A ceiling sends true renders of the test prompts through a representation and back. A floor answers the same prompts
with pictures that know nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.eval import dpg, geneval
from headtohead.eval.fid import fid
from headtohead.foundations import shipped
from headtohead.foundations.features import FeatureNet
from headtohead.foundations.recipes import TOWERS
from headtohead.world import dense_prompts, judge, prompts
from headtohead.world.captions import captions
from headtohead.world.counter import keys, uniform
from headtohead.world.render import backdrop, render
from headtohead.world.scenes import Scenes, draw

SEED = 7_000_000  # of the test scenes; training streams stay far below
A_PROMPT = {"single_object": 8, "counting": 3}  # pictures a prompt where a task has few; one elsewhere
POOL = 4096  # training pictures among which the nearest caption is sought

Route = Callable[[Tensor], Tensor]
T = TypeVar("T")


@dataclass(frozen=True)
class Exam:
    """Test prompts with true pictures of them: GenEval's lines first, then DPG-Bench's questions."""

    lines: list[dict[str, Any]]  # one a picture
    questions: list[list[dict[str, str]]]  # one list a picture
    texts: list[str]
    seen: NDArray[np.bool_]
    scenes: Scenes
    pictures: Tensor


def exam(
    split: prompts.Split = "test", seed: int = SEED, *, limit: tuple[int, int] | None = None, device: str = "cpu"
) -> Exam:
    """Every prompt of the split with independent renders of it, several where a task has few prompts.

    `limit` asks for so many pictures of GenEval's prompts, shared evenly by the tasks, and of DPG's.
    """
    short, dense = prompts.geneval(split), dense_prompts.dense(split)
    if limit is None:
        short = [p for p in short for _ in range(A_PROMPT.get(p.tag, 1))]
    else:
        tasks = [[p for p in short if p.tag == task] for task in prompts.TASKS]
        short = [p for rows in tasks for p in _thinned(rows, limit[0] // len(tasks))]
        dense = _thinned(dense, limit[1])
    requests = [*map(prompts.request, short), *(p.request for p in dense)]
    scenes = Scenes.cat([draw(seed, np.array([k]), request=r, held_out=True) for k, r in enumerate(requests)])
    return Exam(
        lines=[p.line() for p in short],
        questions=[p.rows() for p in dense],
        texts=[*(p.prompt for p in short), *(p.text for p in dense)],
        seen=np.array([*(p.seen for p in short), *(p.seen for p in dense)]),
        scenes=scenes,
        pictures=torch.cat([render(scenes[k : k + 512], device) for k in range(0, len(scenes), 512)]),
    )


def _thinned(rows: list[T], limit: int) -> list[T]:
    """Evenly spread; some twice when there are fewer."""
    return [rows[k] for k in np.linspace(0, len(rows) - 1, limit).astype(int)]


def grade(test: Exam, pictures: Tensor, detector: judge.PixelJudge) -> dict[str, Any]:
    """GenEval by task and overall, on seen and unseen combinations apart, and DPG."""
    short = len(test.lines)
    verdicts = geneval.judge(test.lines, pictures[:short], detector, detector)
    apart = {
        name: geneval.scores(v for v, s in zip(verdicts, test.seen[:short], strict=True) if s == wanted)["overall"]
        for name, wanted in (("seen", True), ("unseen", False))
    }
    graded = dpg.judge(test.questions, pictures[short:], detector)
    return {**geneval.scores(verdicts), **apart, "dpg": dpg.scores(graded)}


@torch.no_grad()
def through(pictures: Tensor, route: Route, batch: int = 128) -> Tensor:
    return torch.cat([route(part) for part in pictures.split(batch)])


def features_of(pictures: Tensor, net: FeatureNet) -> NDArray[np.float64]:
    """(B, d) in double precision, as Fréchet distances need them."""
    return through(pictures, net).double().cpu().numpy()


def psnr(a: Tensor, b: Tensor) -> float:
    """Mean over pictures, in decibel."""
    mse = (a - b).pow(2).flatten(1).mean(1).clamp(min=1e-10)
    return float((-10 * mse.log10()).mean())


def _row(
    test: Exam, pictures: Tensor, detector: judge.PixelJudge, net: FeatureNet, reference: NDArray[np.float64]
) -> dict[str, Any]:
    features = features_of(pictures, net)
    return {**grade(test, pictures, detector), "fid": fid(reference, features), "n": len(pictures)}


def ceilings(test: Exam, device: str = "cpu", towers: tuple[str, ...] = TOWERS) -> dict[str, dict[str, Any]]:
    """Renders, then each representation's round trip."""
    detector, net = judge.load(device), shipped.feature_net(device)
    reference = _reference(test, net)
    vae = shipped.vae(device)
    routes: dict[str, Route] = {"renders": lambda x: x, "vae": lambda x: vae.decode(vae.encode(x))}
    for name in towers:
        tower, decoder = shipped.tower(name, device), shipped.clip_decoder(name, device)
        routes[name] = lambda x, tower=tower, decoder=decoder: decoder.decode(tower.encode(x))  # type: ignore[misc]
    out = {}
    for name, route in routes.items():
        pictures = through(test.pictures, route)
        out[name] = {**_row(test, pictures, detector, net, reference), "psnr": psnr(pictures, test.pictures)}
    return out


def _reference(test: Exam, net: FeatureNet) -> NDArray[np.float64]:
    """Features of independent renders of the same prompts."""
    other = exam(seed=SEED + 1, device=str(test.pictures.device))
    return features_of(other.pictures, net)


def floors(test: Exam, device: str = "cpu") -> dict[str, dict[str, Any]]:
    """Pictures that know nothing of their prompt, and the training picture whose caption is nearest to it."""
    detector, net = judge.load(device), shipped.feature_net(device)
    reference, n = _reference(test, net), len(test.pictures)
    generator = torch.Generator().manual_seed(SEED)
    order = np.argsort(uniform(keys(SEED, np.arange(n)), 1)[:, 0])
    free = draw(SEED + 2, np.arange(n))
    rows = {
        "noise": torch.rand(test.pictures.shape, generator=generator).to(device),
        "blank": backdrop(test.scenes, device).clamp(0, 1),
        "shuffled prompts": test.pictures[torch.from_numpy(order)],
        "unconditional": render(free, device),
        "nearest caption": _nearest(test.texts, device),
    }
    return {name: _row(test, pictures, detector, net, reference) for name, pictures in rows.items()}


def _words(text: str) -> list[str]:
    return text.lower().replace(",", "").replace(".", "").split()


def _nearest(texts: list[str], device: str) -> Tensor:
    """For each prompt the training picture whose caption shares most words with it, in proportion to all."""
    index = np.arange(POOL)
    scenes = draw(0, index)
    told = captions(scenes, 0, index, (0.5, 0.0, 0.5))
    words = sorted({w for text in (*told, *texts) for w in _words(text)})
    place = {w: k for k, w in enumerate(words)}

    def bags(rows: list[str]) -> NDArray[np.float64]:
        out = np.zeros((len(rows), len(words)))
        for k, text in enumerate(rows):
            for w in _words(text):
                out[k, place[w]] += 1
        return out

    prompt, caption = bags(texts), bags(told)
    best = []
    for row in prompt:
        shared = np.minimum(row, caption).sum(1)
        best.append(int((shared / np.maximum(row, caption).sum(1)).argmax()))
    return render(scenes[np.array(best)], device)
