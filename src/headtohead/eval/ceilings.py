"""Ceilings that no head can exceed and floors that every head should, measured with the embedded judge.

A ceiling scores true renders of the test prompts after encoding and decoding by a representation. A floor scores images
that do not depend on the prompts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headtohead.eval.curve_points.prompts import SEED, PromptSet, prompt_set
from headtohead.eval.curve_points.score import features_of, score
from headtohead.eval.judges import pixels
from headtohead.eval.judges.pixels import PixelJudge
from headtohead.eval.metrics.fid import Reference
from headtohead.pretrained.loading import shipped
from headtohead.pretrained.making.recipes import TOWERS
from headtohead.records.ceilings import Row
from headtohead.synthetic.captions import captions
from headtohead.synthetic.render import backdrop, render
from headtohead.synthetic.scenes import draw
from headtohead.utils.random import keys, uniform

POOL = 4096  # training images searched for the nearest caption

Route = Callable[[Tensor], Tensor]  # images -> the same images, encoded and decoded


@torch.no_grad()
def through(pictures: Tensor, route: Route, batch: int = 128) -> Tensor:
    """Encode and decode images.

    pictures  (B, 3, H, W) in [0, 1]
    route     encodes and decodes a batch
    batch     images at once
    """
    return torch.cat([route(part) for part in pictures.split(batch)])


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in decibels, a mean over images.

    a  (B, 3, H, W) in [0, 1]
    b  (B, 3, H, W) in [0, 1]
    """
    mse = (a - b).pow(2).flatten(1).mean(1).clamp(min=1e-10)
    return float((-10 * mse.log10()).mean())


def _row(test: PromptSet, pictures: Tensor, detector: PixelJudge, net: nn.Module, reference: Reference) -> Row:
    return {**score(test, pictures, detector, net, reference).values, "n": len(pictures)}


def ceilings(test: PromptSet, device: str = "cpu", towers: tuple[str, ...] = TOWERS) -> dict[str, Row]:
    """Scores of renders, and of renders after each representation's encoding and decoding, by name.

    test    prompts with true images
    device  cpu or cuda
    towers  CLIP towers to be measured, beside the VAE
    """
    detector, net = pixels.load(device), shipped.feature_net(device)
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


def _reference(test: PromptSet, net: nn.Module) -> Reference:
    """Features of independent renders of the same prompts."""
    other = prompt_set(seed=SEED + 1, device=str(test.pictures.device))
    return Reference.of(features_of(other.pictures, net))


def floors(test: PromptSet, device: str = "cpu") -> dict[str, Row]:
    """Scores of images that do not depend on their prompt, and of the training image with the nearest caption.

    test    prompts with true images
    device  cpu or cuda
    """
    detector, net = pixels.load(device), shipped.feature_net(device)
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
    """For each prompt, the training image whose caption shares the most words with it."""
    index = np.arange(POOL)
    scenes = draw(0, index)
    texts_of = captions(scenes, 0, index, (0.5, 0.0, 0.5))
    words = sorted({w for text in (*texts_of, *texts) for w in _words(text)})
    place = {w: k for k, w in enumerate(words)}

    def bags(rows: list[str]) -> NDArray[np.float64]:
        out = np.zeros((len(rows), len(words)))
        for k, text in enumerate(rows):
            for w in _words(text):
                out[k, place[w]] += 1
        return out

    prompt, caption = bags(texts), bags(texts_of)
    best = []
    for row in prompt:
        shared = np.minimum(row, caption).sum(1)
        best.append(int((shared / np.maximum(row, caption).sum(1)).argmax()))
    return render(scenes[np.array(best)], device)
