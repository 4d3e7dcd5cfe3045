"""The embedded dataset's judge: detector, colour classifier and question answerer, from pixels alone."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from headtohead.pretrained.loading import weight_files
from headtohead.synthetic.judge_net import STRIDE, JudgeNet, cell_centres
from headtohead.synthetic.prompts import questions
from headtohead.synthetic.vocabulary import BACKGROUNDS, COLOUR_NAMES, SHAPES
from headtohead.utils.boxes import Detection

SHIPPED = "world-pixel-judge"  # the name that its scores carry
PEAK = 0.3  # probability above which a centre counts as an object
AREA = 12  # pixels that an object has at least
IN_CACHE = 64  # pictures at once on a CPU; more leave its cache and take a third longer
REACH = 8.0  # pixels at most between a vote and the centre that it is counted for


class PixelJudge:
    def __init__(self, net: JudgeNet, batch: int = 256, name: str = SHIPPED) -> None:
        self.net, self.batch, self.name = net.eval(), batch, name

    @torch.no_grad()
    def detect(self, pictures: Tensor) -> list[list[Detection]]:
        return [found for part in pictures.split(self.batch) for found in self._detect(part)]

    def colours(self, pictures: Tensor, found: list[list[Detection]]) -> list[list[str]]:
        return [[d.colour for d in row] for row in found]

    def answers(self, pictures: Tensor, texts: list[list[str]]) -> list[list[str]]:
        grounds = self._backgrounds(pictures, found := self.detect(pictures))
        return [
            [questions.answer(q, seen, ground) for q in row]
            for row, seen, ground in zip(texts, found, grounds, strict=True)
        ]

    def _detect(self, pictures: Tensor) -> list[list[Detection]]:
        maps = self.net(pictures)
        b, (h, w) = len(pictures), pictures.shape[-2:]
        pooled = F.max_pool2d(maps.centre[:, None], 5, 1, 2)[:, 0]
        peak = (maps.centre >= pooled) & (maps.centre.sigmoid() > PEAK)
        shape = F.interpolate(maps.shape, scale_factor=float(STRIDE), mode="bilinear").softmax(1)
        colour = F.interpolate(maps.colour, scale_factor=float(STRIDE), mode="bilinear").softmax(1)
        offset = F.interpolate(maps.offset, scale_factor=float(STRIDE), mode="bilinear")
        y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
        vote = torch.stack([x, y]).to(pictures.device) + offset  # (B, 2, H, W): the centre each pixel points at
        solid = 1 - shape[:, 0]
        cells = cell_centres(h // STRIDE, w // STRIDE, pictures.device)
        return [self._objects(cells[:, peak[k]].T, vote[k], solid[k], shape[k, 1:], colour[k]) for k in range(b)]

    def _objects(self, centres: Tensor, vote: Tensor, solid: Tensor, shape: Tensor, colour: Tensor) -> list[Detection]:
        """Group the solid pixels of one picture by the centre they vote for."""
        if not len(centres):
            return []
        away = (vote[None] - centres[:, :, None, None]).norm(dim=1)  # (P, H, W)
        near, owner = away.min(0)
        own = (owner == torch.arange(len(centres), device=owner.device)[:, None, None]) & (near < REACH) & (solid > 0.5)
        area = own.sum((1, 2))
        weight = (own * solid).flatten(1)
        weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-6)
        # Class and colour are means over the object; of `solid` the median counts, since every outline has soft edges.
        kind = weight @ (shape / shape.sum(0).clamp(min=1e-6)).flatten(1).T
        hue = weight @ colour.flatten(1).T
        sure, best = kind.max(1)
        out = []
        for k in torch.nonzero(area >= AREA).flatten().tolist():
            mask = own[k]
            rows, columns = torch.nonzero(mask.any(1)).flatten(), torch.nonzero(mask.any(0)).flatten()
            box = (float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1)
            score = float(sure[k] * solid[mask].median())
            out.append(
                Detection(SHAPES[int(best[k])], score, box, mask.cpu().numpy(), COLOUR_NAMES[int(hue[k].argmax())])
            )
        return sorted(out, key=lambda d: -d.score)

    def _backgrounds(self, pictures: Tensor, found: list[list[Detection]]) -> list[str]:
        """The named background nearest to the median colour of what no object covers."""
        names, palette = list(BACKGROUNDS), torch.tensor(list(BACKGROUNDS.values()))
        out = []
        for picture, seen in zip(pictures.cpu(), found, strict=True):
            free = torch.ones(picture.shape[-2:], dtype=torch.bool)
            for d in seen:
                free &= ~torch.from_numpy(d.mask)
            median = picture[:, free].median(1).values if free.any() else picture.flatten(1).median(1).values
            out.append(names[int((palette - median).norm(dim=1).argmin())])
        return out


@cache
def load(device: str = "cpu", weights: Path | None = None) -> PixelJudge:
    """The judge that ships with the package, or the same network with weights from a file."""
    net, batch = JudgeNet().to(device), IN_CACHE if device == "cpu" else 256
    if weights is None:
        weight_files.load_into(net, "judge")
        return PixelJudge(net, batch)
    weight_files.load_into(net, weights.stem, weights.parent)
    return PixelJudge(net, batch, f"judge-{hashlib.sha256(weights.read_bytes()).hexdigest()[:12]}")
