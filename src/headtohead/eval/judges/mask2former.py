"""A Mask2Former as GenEval's detector, with the post-processing of mmdet, which the official scorer uses.

transformers' own post-processing works on 384 x 384 masks, lets them overwrite each other and gives no boxes. This
one takes the most confident of all query-class pairs, masks at the picture's size, the class probability times the
mask's mean confidence as the score, and the masks' extents as boxes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from headtohead.eval.benchmarks import published
from headtohead.eval.folders import images
from headtohead.eval.folders.images import FolderError
from headtohead.pretrained.loading.by_name import Identity, ModelError, complete, fetched, weights_hash
from headtohead.utils.boxes import Detection

SHORT, LONG, MULTIPLE = 800, 1333, 32  # sides of the resized picture, and what its padded sides are multiples of
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MOST = 100  # detections a picture


class Mask2Former:
    def __init__(self, model: Any, names: Sequence[str], identity: Identity, short: int = SHORT) -> None:
        if model.config.num_labels != len(names):
            known = model.config.num_labels
            raise ModelError(f"--detector {identity.name}: knows {known} classes, not the {len(names)} that are named")
        self.model, self.names, self.identity, self.short = model.eval(), tuple(names), identity, short

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, beside its weights, that its detections depend on."""
        return {"short": self.short, "names": names_hash(self.names)}

    @torch.no_grad()
    def detect(self, pictures: Tensor) -> list[list[Detection]]:
        """Objects in each of the pictures (B, 3, H, W) in [0, 1]."""
        inner = resized(pictures, self.short)
        padded = F.pad(normalised(inner), (0, -inner.shape[3] % MULTIPLE, 0, -inner.shape[2] % MULTIPLE))
        out = self.model(pixel_values=padded, pixel_mask=torch.ones_like(padded[:, 0], dtype=torch.long))
        logits = F.interpolate(out.masks_queries_logits.float(), padded.shape[2:], mode="bilinear", align_corners=False)
        logits = logits[..., : inner.shape[2], : inner.shape[3]]
        found = []
        for classes, masks in zip(out.class_queries_logits.float(), logits, strict=True):
            found.append(self._detections(classes, masks, tuple(pictures.shape[2:])))
        return found

    def _detections(self, classes: Tensor, masks: Tensor, size: tuple[int, ...]) -> list[Detection]:
        kinds = len(self.names)
        sure, flat = classes.softmax(-1)[:, :kinds].flatten().topk(min(MOST, len(classes) * kinds))
        queries = flat // kinds
        at_size = F.interpolate(masks[queries.unique()][None], size, mode="bilinear", align_corners=False)[0]
        place = {int(q): k for k, q in enumerate(queries.unique())}
        out = []
        for probability, kind, query in zip(sure.tolist(), (flat % kinds).tolist(), queries.tolist(), strict=True):
            logit = at_size[place[query]]
            mask = logit > 0
            if not mask.any():
                continue
            inside = float((logit.sigmoid() * mask).sum() / (mask.sum() + 1e-6))
            rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
            box = (float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1)
            out.append(Detection(self.names[kind], probability * inside, box, mask.cpu().numpy()))
        return out


def resized(pictures: Tensor, short: int) -> Tensor:
    """Pictures (B, 3, h, w) whose short side is `short`, unless the long one would exceed its bound."""
    h, w = pictures.shape[2:]
    scale = min(short / min(h, w), short * LONG / SHORT / max(h, w))
    size = (max(1, int(h * scale + 0.5)), max(1, int(w * scale + 0.5)))
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False) if size != (h, w) else pictures


def normalised(pictures: Tensor) -> Tensor:
    mean, std = (pictures.new_tensor(v)[:, None, None] for v in (MEAN, STD))
    return (pictures - mean) / std


def names_hash(names: Sequence[str]) -> str:
    """The sha256 of the file that holds them, a name a line."""
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()


def class_names(path: Path | None, flag: str) -> list[str]:
    """The 80 classes of GenEval's object_names.txt, in the order of the detector's.

    flag  the option or setting that names the file, for errors
    """
    if path is None:
        raise FolderError(f"{flag}: {published.NAMES_NEEDED}")
    names = [name.strip() for name in images.text(path, flag).split("\n") if name.strip()]
    published.check(path, published.GENEVAL_NAMES, names_hash(names))
    return names


def load(name: str, names: Sequence[str], device: str, short: int = SHORT) -> Mask2Former:
    from transformers import Mask2FormerForUniversalSegmentation

    def whole() -> Any:
        return complete(
            *Mask2FormerForUniversalSegmentation.from_pretrained(
                name, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        )

    model = fetched("the detector", name, "--detector", whole)
    return Mask2Former(model.to(device), names, Identity(name, weights_hash(model.state_dict())), short)
