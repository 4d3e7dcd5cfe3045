"""Quality of a CLIP tower: retrieval, attribute binding, and linear probes on its tokens.

Binding (which colour belongs to which shape) is measured separately, with captions whose attributes are exchanged: a
tower may retrieve well without it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from headtohead.eval.foundations.linear_probe import accuracy
from headtohead.pretrained.making.train_clip import SHORT, hard_negatives
from headtohead.pretrained.networks.image_encoders import ClipTower
from headtohead.synthetic.captions.said import Facts, said
from headtohead.synthetic.captions.truth import true_of
from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.synthetic.vocabulary import PICTURE_SIDE

SEED = 8_000_000
AMONG = 125  # candidate images of a retrieval


@torch.no_grad()
def _tokens(tower: ClipTower, scenes: Scenes, device: str) -> Tensor:
    return torch.cat([tower.encode(render(scenes[k : k + 256], device)) for k in range(0, len(scenes), 256)])


@torch.no_grad()
def retrieval(tower: ClipTower, device: str = "cpu", number: int = 1000) -> float:
    """Share of captions whose closest image of 125 is one of which they are true.

    tower   CLIP
    device  of the tower
    number  of images
    """
    index = np.arange(number - number % AMONG)
    scenes = draw(SEED, index)
    texts, whats = captions(scenes, SEED, index, SHORT), said(scenes, SEED, index)
    hits = []
    for k in range(0, len(index), AMONG):
        image = tower.embed_pictures(render(scenes[k : k + AMONG], device))
        score = tower.embed_texts(texts[k : k + AMONG]) @ image.T
        # A caption leaves much unsaid, so that it may be true of several images; each of them is then right.
        true = true_of(whats[k : k + AMONG], Facts.of(scenes[k : k + AMONG])).T
        right = torch.as_tensor(true, device=score.device)
        hits.append(right.gather(1, score.argmax(1, keepdim=True)).float())
    return float(torch.cat(hits).mean())


@torch.no_grad()
def binding(tower: ClipTower, device: str = "cpu", number: int = 2000) -> float:
    """Share of images closer to their caption than to one with attributes exchanged; 0.5 is chance.

    tower   CLIP
    device  of the tower
    number  of images
    """
    index = np.arange(number)
    scenes = draw(SEED + 1, index)
    own = captions(scenes, SEED, index, SHORT)
    negative, wrong = hard_negatives(scenes, SEED, index, exchanged=True)
    rows = np.flatnonzero(wrong & (scenes.count > 1))
    image = torch.cat([tower.embed_pictures(render(scenes[part], device)) for part in np.array_split(rows, 8)])
    right = (image * tower.embed_texts([own[k] for k in rows])).sum(1)
    exchanged = (image * tower.embed_texts([negative[k] for k in rows])).sum(1)
    return float((right > exchanged).float().mean())


def probes(tower: ClipTower, device: str = "cpu", number: int = 4000) -> dict[str, float]:
    """Linear probes on the token at an object's centre: shape, colour and position within the token's cell.

    tower   CLIP
    device  of the tower
    number  of images
    """
    scenes = draw(SEED + 2, np.arange(number), held_out=True)
    tokens = _tokens(tower, scenes, device)
    side = round(tokens.shape[1] ** 0.5)
    cell = PICTURE_SIDE / side
    grid = np.clip(scenes.centre[:, 0] // cell, 0, side - 1).astype(int)  # of each scene's first object
    x = tokens[torch.arange(number), torch.from_numpy(grid[:, 1] * side + grid[:, 0])]
    half = number // 2
    out = {}
    for name, label in (("shape", scenes.shape[:, 0]), ("colour", scenes.colour[:, 0])):
        out[name] = accuracy(x[:half], torch.as_tensor(label[:half]), x[half:], torch.as_tensor(label[half:]))
    place = torch.as_tensor(scenes.centre[:, 0] - (grid + 0.5) * cell, dtype=torch.float32)
    one = torch.ones(number, 1)
    a = torch.cat([x.cpu(), one], 1)
    ridge = a[:half].T @ a[:half] + 1e-1 * torch.eye(a.shape[1])
    predicted = a[half:] @ torch.linalg.solve(ridge, a[:half].T @ place[:half])
    out["place error px"] = float((predicted - place[half:]).norm(dim=1).mean())
    return out


def quality(tower: ClipTower, device: str = "cpu") -> dict[str, float]:
    return {"retrieval@1 of 125": retrieval(tower, device), "binding": binding(tower, device), **probes(tower, device)}
