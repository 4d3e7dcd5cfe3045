"""Published models that judge pictures, by their public names."""

from __future__ import annotations

from typing import Literal

DETECTOR = "facebook/mask2former-swin-small-coco-instance"
COLOURS = "ViT-L-14-quickgelu:openai"  # without quickgelu, open_clip 3 builds another model than it did
ANSWERER = "Salesforce/blip-vqa-base"
INCEPTION = "inception-2015-12-05.pt"  # the file that clean-fid fetches
DINOV2 = "vit_small_patch14_dinov2.lvd142m"

Resizer = Literal["clean", "legacy_pytorch", "legacy_tensorflow"]
RESIZERS: tuple[Resizer, ...] = ("clean", "legacy_pytorch", "legacy_tensorflow")
SPACES = ("inception", "dinov2", "clip", "shipped")
