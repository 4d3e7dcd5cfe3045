"""Colours by an open_clip model's zero-shot choice, over crops of objects on grey: GenEval's colour classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from headtohead.pretrained.loading import open_clip_models
from headtohead.pretrained.loading.by_name import Identity, weights_hash
from headtohead.utils.boxes import Detection

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
TEMPLATES = ("a photo of a {colour} {name}", "a photo of a {colour}-colored {name}", "a photo of a {colour} object")
GREY = 0x99 / 255
AT_ONCE = 64


class ClipColours:
    def __init__(self, model: Any, preprocess: Any, tokenizer: Any, identity: Identity, device: str) -> None:
        self.model, self.preprocess, self.tokenizer = model.eval(), preprocess, tokenizer
        self.identity, self.device = identity, device
        self._heads: dict[str, Tensor] = {}

    @torch.no_grad()
    def _head(self, name: str) -> Tensor:
        """(10, d): for each colour, the normalised mean over templates of normalised text embeddings."""
        if name not in self._heads:
            rows = []
            for colour in COLOURS:
                texts = self.tokenizer([t.format(colour=colour, name=name) for t in TEMPLATES]).to(self.device)
                embedded = self.model.encode_text(texts)
                mean = (embedded / embedded.norm(dim=-1, keepdim=True)).mean(0)
                rows.append(mean / mean.norm())
            self._heads[name] = torch.stack(rows)
        return self._heads[name]

    @torch.no_grad()
    def colours(self, pictures: Tensor, found: list[list[Detection]]) -> list[list[str]]:
        crops = [self._crop(p, d) for p, row in zip(pictures, found, strict=True) for d in row]
        heads = [self._head(d.name) for row in found for d in row]
        named: list[str] = []
        for start in range(0, len(crops), AT_ONCE):
            part = torch.stack(crops[start : start + AT_ONCE]).to(self.device)
            embedded = self.model.encode_image(part)
            embedded = embedded / embedded.norm(dim=-1, keepdim=True)
            for row, head in zip(embedded, heads[start : start + AT_ONCE], strict=True):
                named.append(COLOURS[int((head @ row).argmax())])
        names = iter(named)
        return [[next(names) for _ in row] for row in found]

    def _crop(self, picture: Tensor, d: Detection) -> Tensor:
        """The object on grey, cut out along its box."""
        mask = torch.from_numpy(d.mask).to(picture.device)
        alone = torch.where(mask, picture, torch.full_like(picture, GREY))
        x0, y0, x1, y1 = (round(v) for v in d.box)
        out: Tensor = self.preprocess(to_pil_image(alone[:, y0:y1, x0:x1].cpu()))
        return out


def load(name: str, device: str) -> ClipColours:
    """Load an open_clip model.

    name  MODEL:PRETRAINED as open_clip names them, or MODEL:FILE with other weights
    """
    import open_clip

    model, preprocess, identity = clip_model(name, "the colour classifier", "--colours", device)
    return ClipColours(model, preprocess, open_clip.get_tokenizer(name.partition(":")[0]), identity, device)


def clip_model(name: str, what: str, flag: str, device: str) -> tuple[Any, Any, Identity]:
    """The model, its preprocessing of a picture, and its identity.

    name  MODEL:PRETRAINED or MODEL:FILE
    what  what it is used for, for errors
    flag  the option that names it, for errors
    """
    import open_clip

    made = open_clip_models.load(name, what, flag, open_clip.create_model_and_transforms, device=device)
    model, _, preprocess = made
    return model, preprocess, Identity(open_clip_models.source(name, flag).named, weights_hash(model.state_dict()))
