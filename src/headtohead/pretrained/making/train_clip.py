"""Train the CLIP towers in two stages, as EVA-CLIP does: first on masked images alone, then also on captions.

The first stage alone is the control "trained without captions"; CLIP continues from it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from open_clip.coca_model import CoCa
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.pretrained.networks import small_llama
from headtohead.pretrained.networks.image_encoders import read
from headtohead.synthetic.captions import OPENINGS, captions
from headtohead.synthetic.dataset import scenes_of_step
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes
from headtohead.synthetic.vocabulary import COLOUR_NAMES, SHAPES
from headtohead.utils import random

PATCH = 16
MASKED = 0.4  # share of patches hidden from the tower
TARGET_SIDE = 8  # side in pixels of the patches that the tower predicts
CAPTION_WEIGHT, PICTURE_WEIGHT = 2.0, 0.5
PICTURE_SCALE = 20.0  # brings the pixels' squared error to the order of the other losses
SHORT, LISTS = (1.0, 0.0, 0.0), (0.15, 0.85, 0.0)  # shares of the caption styles: short, list, dense
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
    loss = masked_image_loss(model, render(scenes_of_step(seed, step, batch), device))
    return {"loss": loss}


def swapped(scenes: Scenes, u: np.ndarray) -> tuple[Scenes, np.ndarray]:
    """Hard negatives: scenes in which two objects' colours or shapes are exchanged (a single object gets another one).

    Also returns (B,) whether the exchange changes anything.

    u  (B, 4) uniform numbers
    """
    rows, n = np.arange(len(scenes)), scenes.count
    i = (u[:, 0] * n).astype(int)
    j = (i + 1 + (u[:, 1] * np.maximum(n - 1, 1)).astype(int)) % n
    which = u[:, 2] < 0.5  # exchange colours, else shapes
    fresh = (1 + u[:, 3] * (len(SHAPES) - 1)).astype(int)
    out = dict[str, Any]()
    for name, values, size, mine in (
        ("colour", scenes.colour, len(COLOUR_NAMES), which),
        ("shape", scenes.shape, len(SHAPES), ~which),
    ):
        new = values.copy()
        single = mine & (n == 1)
        both = mine & (n > 1)
        new[rows[both], i[both]], new[rows[both], j[both]] = values[rows[both], j[both]], values[rows[both], i[both]]
        new[rows[single], 0] = (values[single, 0] + fresh[single]) % size
        out[name] = new
    other = replace(scenes, **out)
    same_kind = (scenes.shape[rows, i] == scenes.shape[rows, j]) & (n > 1)
    same_hue = (scenes.colour[rows, i] == scenes.colour[rows, j]) & (n > 1)
    return other, ~(same_kind | same_hue)


def phrases(caption: str) -> list[str]:
    """The objects of a short caption, sorted: "a star and a moon" means the same as "a moon and a star"."""
    for opening in filter(None, OPENINGS):
        caption = caption.removeprefix(opening)
    return sorted(re.split(", | and ", caption))


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

    other, differs = swapped(scenes, random.uniform(random.keys(seed, index, 31), 4))
    short, negative = captions(scenes, seed, index, SHORT), captions(other, seed, index, SHORT)
    contrast = _contrast(coca, pooled, short, negative, differs)

    ids = small_llama.encode(captions(scenes, seed, index, LISTS), coca.context_length, device)
    logits = coca.text_decoder(image_tokens, read(coca, ids)[1])
    caption = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten(), ignore_index=small_llama.PAD)

    masked = masked_image_loss(model, pictures[: batch // 2])
    loss = contrast + CAPTION_WEIGHT * caption + PICTURE_WEIGHT * masked
    return {"loss": loss, "contrast": contrast, "caption": caption, "pictures": masked}


def _contrast(coca: CoCa, pooled: Tensor, own: list[str], negative: list[str], differs: np.ndarray) -> Tensor:
    """CLIP's symmetric loss, with an additional negative for each image: its caption with attributes exchanged.

    pooled         (B, embed_dim) of the pictures
    own, negative  captions of the scenes, and of those with exchanged attributes
    differs        (B,) whether the exchange changes anything
    """
    batch, device = len(pooled), str(pooled.device)
    texts, _ = read(coca, small_llama.encode(own + negative, coca.context_length, device))
    image, text = F.normalize(pooled.float(), dim=-1), F.normalize(texts.float(), dim=-1)
    logits = coca.logit_scale.exp().clamp(max=100) * image @ text.T  # (B, 2B): own captions, then exchanged ones
    # An exchange is no negative if it changes nothing that the short caption mentions.
    text_differs = np.array([phrases(a) != phrases(b) for a, b in zip(own, negative, strict=True)]) & differs
    # Nor is another sample of the batch with an equal caption.
    words = np.array(own)
    twin = torch.as_tensor((words[:, None] == words[None]) & ~np.eye(batch, dtype=bool), device=device)
    square = logits[:, :batch].masked_fill(twin, -1e4)
    right = torch.arange(batch, device=device)
    hard = logits[:, batch:].diagonal().masked_fill(torch.as_tensor(~text_differs, device=device), -1e4)[:, None]
    return (F.cross_entropy(torch.cat([square, hard], 1), right) + F.cross_entropy(square.T, right)) / 2
