"""Small folders in the official layouts, and the commands that score them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

LINES: list[dict[str, Any]] = [
    {"tag": "single_object", "include": [{"class": "class 1", "count": 1}], "prompt": "a photo of a class 1"},
    {"tag": "single_object", "include": [{"class": "class 2", "count": 1}], "prompt": "a photo of a class 2"},
    {"tag": "colors", "include": [{"class": "class 3", "count": 1, "color": "red"}], "prompt": "a red class 3"},
]
COLUMNS = ("item_id", "text", "keywords", "proposition_id", "dependency", "category_broad", "category_detailed",
           "tuple", "question_natural_language")  # fmt: skip
PIXELS = np.random.default_rng(0)


def save(path: Path, side: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS.integers(0, 255, (side, side, 3), np.uint8)).save(path)


def geneval_folder(folder: Path, lines: Sequence[dict[str, Any]] = LINES, samples: int = 2) -> Path:
    for k, line in enumerate(lines):
        for sample in range(samples):
            save(folder / f"{k:05d}" / "samples" / f"{sample:04d}.png")
        (folder / f"{k:05d}" / "metadata.jsonl").write_text(json.dumps(line))
    return folder


def questions(*dependencies: str, item: str = "p0") -> list[list[str]]:
    return [
        [item, f"text of {item}", "", str(k), own, "entity", "whole", f"entity - whole (dog {k})", "is there a dog ?"]
        for k, own in enumerate(dependencies, 1)
    ]


def questions_file(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="") as f:
        csv.writer(f).writerows([COLUMNS, *rows])
    return path


def cpu(*asked: str | Path) -> list[str]:
    return [*map(str, asked), "--device", "cpu", "--quiet"]


@dataclass(frozen=True)
class Place:
    """Folders and judges that the tests of a session share, and must leave as they are."""

    root: Path
    detector: Path
    blip: Path
    inception: Path
    clip: str

    def geneval(self, *more: str | Path, images: Path | None = None, short: int = 64) -> list[str]:
        return cpu("geneval", "--images", images or self.root / "geneval", "--names", self.root / "names.txt",
                   "--detector", self.detector, "--colours", self.clip, "--short", str(short), *more)  # fmt: skip

    def dpg(self, *more: str | Path, images: Path | None = None, prompts: Path | None = None) -> list[str]:
        return cpu("dpg", "--images", images or self.root / "dpg", "--prompts", prompts or self.root / "dpg.csv",
                   "--judge", self.blip, *more)  # fmt: skip

    def fid(self, reference: Path, cache: Path, *more: str | Path, images: Path | None = None) -> list[str]:
        return cpu("fid", "--images", images or self.root / "made", "--reference", reference, "--cache", cache,
                   "--weights", self.inception, *more)  # fmt: skip

    def diversity(self, *more: str | Path, images: Path | None = None) -> list[str]:
        return cpu("diversity", "--images", images or self.root / "geneval", "--weights", self.inception, *more)
