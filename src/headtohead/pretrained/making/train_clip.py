"""Train the CLIP towers in two stages, as EVA-CLIP does: first on masked images alone, then also on captions.

The first stage alone is the control "trained without captions"; CLIP continues from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from open_clip.coca_model import CoCa
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.pretrained.networks import small_llama
from headtohead.pretrained.networks.image_encoders import read
from headtohead.synthetic.captions.said import Facts, Said, said
from headtohead.synthetic.captions.truth import holds, true_of, unseen
from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.dataset import pictures_of_step, scenes_of_step
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes
from headtohead.synthetic.splits import CAPTIONED
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES
from headtohead.utils import random

PATCH = 16
MASKED = 0.4  # share of patches hidden from the tower
TARGET_SIDE = 8  # side in pixels of the patches that the tower predicts
CAPTION_WEIGHT, PICTURE_WEIGHT = 2.0, 0.5
PICTURE_SCALE = 20.0  # brings the pixels' squared error to the order of the other losses
# Shares of the caption styles (sentence, tags, dense): of those told apart, and of those that are written.
SHORT, TOLD = (1.0, 0.0, 0.0), (0.3, 0.3, 0.4)
TRIES = 4  # exchanges of attributes, then other attributes, of which a hard negative is the first that makes one
GROUPS = 4  # of texts of like length, which saves padding
POOL = 8  # steps whose scenes are drawn together and sorted


class WithPixelHead(nn.Module):
    """A CoCa with the linear head of the masked-picture loss (named `tell` in weight files)."""

    def __init__(self, coca: CoCa) -> None:
        super().__init__()
        self.coca = coca
        self.tell = nn.Linear(coca.visual.positional_embedding.shape[-1], 3 * TARGET_SIDE * TARGET_SIDE)


def masked_image_loss(model: WithPixelHead, pictures: Tensor) -> Tensor:
    """Hide patches of pictures (B, 3, H, W) and predict the pixels of every patch from its token."""
    b, _, h, w = pictures.shape
    hidden = torch.rand(b, 1, h // PATCH, w // PATCH, device=pictures.device) < MASKED
    shown = torch.where(F.interpolate(hidden.float(), scale_factor=float(PATCH)) > 0, 0.0, pictures * 2 - 1)
    tokens = model.coca.visual.forward_intermediates(shown, indices=1, intermediates_only=True, output_fmt="NLC")
    predicted = model.tell(tokens["image_intermediates"][-1])
    small = F.avg_pool2d(pictures, PATCH // TARGET_SIDE)
    target = F.unfold(small, TARGET_SIDE, stride=TARGET_SIDE).transpose(1, 2)
    return PICTURE_SCALE * F.mse_loss(predicted, target)


def pictures_loss(model: nn.Module, seed: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
    assert isinstance(model, WithPixelHead)
    loss = masked_image_loss(model, pictures_of_step(seed, step, batch, device))
    return {"loss": loss}


def swapped(scenes: Scenes, u: np.ndarray, fresh: bool = False) -> Scenes:
    """Scenes in which two objects' colours or shapes are exchanged. A single object gets another one instead.

    u      (B, 4) uniform numbers
    fresh  one of several objects, too, gets another one
    """
    rows, n = np.arange(len(scenes)), scenes.count
    i = (u[:, 0] * n).astype(int)
    j = (i + 1 + (u[:, 1] * np.maximum(n - 1, 1)).astype(int)) % n
    which = u[:, 2] < 0.5  # exchange colours, else shapes
    other = (1 + u[:, 3] * (len(SHAPES) - 1)).astype(int)
    out = dict[str, Any]()
    for name, values, size, mine in (
        ("colour", scenes.colour, len(COLOUR_NAMES), which),
        ("shape", scenes.shape, len(SHAPES), ~which),
    ):
        new = values.copy()
        single = mine & (fresh | (n == 1))
        both = mine & ~single
        new[rows[both], i[both]], new[rows[both], j[both]] = values[rows[both], j[both]], values[rows[both], i[both]]
        new[rows[single], i[single]] = (values[single, i[single]] + other[single]) % size
        out[name] = new
    return replace(scenes, **out)


def hard_negatives(
    scenes: Scenes, seed: int, index: np.ndarray, exchanged: bool = False
) -> tuple[list[str], np.ndarray]:
    """For each scene, a caption of it with attributes exchanged or, where that makes no negative and not `exchanged`,
    with another one; and (B,) whether it is a negative.

    It is none if it is true of the scene after all. Nor is one that names a held-out combination, which no picture
    shows: it would teach that such captions are always wrong.
    """
    facts, texts, found = Facts.of(scenes), [""] * len(scenes), np.zeros(len(scenes), bool)
    u = random.uniform(random.keys(seed, index, 31), 2 * TRIES, 4)
    for k in range(TRIES if exchanged else 2 * TRIES):
        rows = np.flatnonzero(~found)
        other = swapped(scenes[rows], u[rows, k], fresh=k >= TRIES)
        written, told = captions(other, seed, index[rows], SHORT), said(other, seed, index[rows])
        for row, text, what in zip(rows, written, told, strict=True):
            texts[row] = text
            found[row] = not holds(what, facts, int(row)) and not unseen(what, CAPTIONED)
    return texts, found


def sorted_scenes(seed: int, step: int, batch: int) -> tuple[Scenes, np.ndarray]:
    """A step's part of a larger batch sorted by the number of objects, with the indices of its scenes.

    Scenes with equally many objects have captions of similar length, which saves padding, and are harder negatives.
    """
    block, part = divmod(step, POOL)
    pool = scenes_of_step(seed, block, POOL * batch)
    # The part that comes first changes from block to block; otherwise the counts would always ascend.
    rows = np.argsort(pool.count, kind="stable")[(part + block) % POOL * batch :][:batch]
    return pool[rows], block * POOL * batch + rows


def captions_loss(model: nn.Module, seed: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
    """Loss of the second stage: contrast on short captions with hard negatives, captioning, masked pictures."""
    assert isinstance(model, WithPixelHead)
    coca = model.coca
    scenes, index = sorted_scenes(seed, step, batch)
    pictures = render(scenes, device)
    # Batches sorted by count are not a sample of the dataset: the stem's batch norms keep the first stage's statistics.
    coca.visual.conv1.eval()
    pooled, image_tokens = coca.visual(pictures * 2 - 1)

    contrast = _contrast(coca, pooled, scenes, seed, index)

    ids = small_llama.encode(captions(scenes, seed, index, TOLD), coca.context_length, device)
    lost, told = torch.zeros((), device=device), (ids[:, 1:] != small_llama.PAD).sum()
    for rows, some in by_length(ids):
        logits = coca.text_decoder(image_tokens[rows], read(coca, some)[1])[:, :-1].flatten(0, 1).float()
        lost = lost + F.cross_entropy(logits, some[:, 1:].flatten(), ignore_index=small_llama.PAD, reduction="sum")
    caption = lost / told

    masked = masked_image_loss(model, pictures[: batch // 2])
    loss = contrast + CAPTION_WEIGHT * caption + PICTURE_WEIGHT * masked
    return {"loss": loss, "contrast": contrast, "caption": caption, "pictures": masked}


def _contrast(coca: CoCa, pooled: Tensor, scenes: Scenes, seed: int, index: np.ndarray) -> Tensor:
    """CLIP's symmetric loss, with an additional negative for each image: its caption with attributes exchanged.

    pooled  (B, embed_dim) of the pictures
    index   (B,) of the scenes
    """
    device = str(pooled.device)
    negative, wrong = hard_negatives(scenes, seed, index)
    own = captions(scenes, seed, index, SHORT)
    groups = by_length(small_llama.encode(own + negative, coca.context_length, device))
    back = torch.cat([rows for rows, _ in groups]).argsort()
    texts = torch.cat([read(coca, some)[0] for _, some in groups])[back]
    image, text = F.normalize(pooled.float(), dim=-1), F.normalize(texts.float(), dim=-1)
    logits = coca.logit_scale.exp().clamp(max=100) * image @ text.T  # (B, 2B): own captions, then exchanged ones
    # A caption that leaves much unsaid may be true of another picture of the batch: that is no negative.
    square = logits[:, : len(own)].masked_fill(others_true(scenes, said(scenes, seed, index)).to(device), -1e4)
    right = torch.arange(len(own), device=device)
    hard = logits[:, len(own) :].diagonal().masked_fill(torch.as_tensor(~wrong, device=device), -1e4)[:, None]
    return (F.cross_entropy(torch.cat([square, hard], 1), right) + F.cross_entropy(square.T, right)) / 2


def by_length(ids: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Padded ids (B, L) in groups of like length, each cut to its longest: the rows (b,) and the ids of each."""
    length = (ids != small_llama.PAD).sum(1)
    return [(rows, ids[rows, : length[rows].max()]) for rows in length.argsort(stable=True).chunk(GROUPS)]


def others_true(scenes: Scenes, whats: Sequence[Said]) -> Tensor:
    """(B, B): where the caption of another scene is true of a scene."""
    return torch.from_numpy(true_of(whats, Facts.of(scenes)) & ~np.eye(len(whats), dtype=bool))
