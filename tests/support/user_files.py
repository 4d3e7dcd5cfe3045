"""What a user of the large scales brings: files of the published benchmarks, models in folders, corpora in shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import shards
from PIL import Image

from headtohead.data.shards.build_index import build

NAMES = [f"thing {k}" for k in range(78)] + ["circle", "square"]


def benchmarks(root: Path) -> dict[str, object]:
    """Every file and model that a user names, small."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [
        {"tag": tag, "include": [{"class": name, "count": 1}], "prompt": f"a photo of a {name}, {tag}"}
        for tag in ("single_object", "two_object")
        for name in ("circle", "square")
    ]
    (root / "geneval.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "names.txt").write_text("\n".join(NAMES))
    rows = ["item_id,text,proposition_id,dependency,tuple,question_natural_language"]
    rows += [f"item{k},a red circle,{n},0,entity - whole (circle),Is there a dog?" for k in range(3) for n in (1, 2)]
    (root / "dpg.csv").write_text("\n".join(rows))
    meta = {}
    rng = np.random.default_rng(0)
    for category in ("animals", "art"):
        (root / "mjhq" / category).mkdir(parents=True)
        for k in range(4):
            pixels = rng.integers(0, 255, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(root / "mjhq" / category / f"{category}{k}.jpg")
            meta[f"{category}{k}"] = {"category": category, "prompt": f"{category} number {k}"}
    (root / "mjhq" / "meta_data.json").write_text(json.dumps(meta))
    return {
        "exam.source": "official", "exam.a_prompt": 2,
        "exam.geneval": str(root / "geneval.jsonl"), "exam.names": str(root / "names.txt"),
        "exam.dpg": str(root / "dpg.csv"), "exam.mjhq": str(root / "mjhq"),
        "exam.detector": str(checkpoints.mask2former(root / "m2f")), "exam.colours": checkpoints.clip(root / "clip"),
        "exam.answerer": str(checkpoints.blip(root / "blip")), "exam.inception": str(checkpoints.inception(root / "i")),
        "evaluation.geneval": 2, "evaluation.dpg": 1, "evaluation.fid": 4,
        "evaluation.final_geneval": 0, "evaluation.final_dpg": 0,
    }  # fmt: skip


def models(root: Path) -> dict[str, Any]:
    """Small random checkpoints in the formats of Llama, open_clip, SDXL's VAE and UNet; 32 x 32 pictures come out."""
    checkpoints.unet(root / "sdxl")
    return {
        "foundations.language": str(checkpoints.llama(root / "llama")),
        "foundations.clip": str(Path(checkpoints.clip(root / "clip").partition(":")[2]).parent),
        "foundations.clip_picture": 0,
        "foundations.clip_side": 2,
        "foundations.vae": str(checkpoints.vae(root / "vae")),
        "foundations.picture": 32,
    }


def corpora(root: Path) -> Path:
    """Two corpora of different sizes, indexed, and the file that declares their mix."""
    build(shards.sound(root / "large", 3, 16))
    build(shards.sound(root / "small", 1, 8, first=100))
    path = root / "mix.yaml"
    declared = {name: {"data": str(root / name)} for name in ("large", "small")}
    path.write_text(json.dumps({"corpora": declared, "block": 2}))  # JSON is YAML
    return path
