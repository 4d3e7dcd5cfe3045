"""MJHQ-30k: the Fréchet distance of pictures of its prompts to its own pictures, overall and by category."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headtohead.config.run_config import EvalConfig, ExamConfig
from headtohead.eval.benchmarks import base, published
from headtohead.eval.benchmarks.base import Item, PictureFile
from headtohead.eval.folders import images, score_sets
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.layouts import Sorted
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.resume import How
from headtohead.eval.judges import features


class Mjhq(base.Benchmark):
    name, setting, published, rank = "mjhq", "mjhq", published.MJHQ_PICTURES, 2

    def read(self, path: Path) -> list[Item]:
        meta = captions(path / published.MJHQ_META)
        return [Item(name, row["prompt"], row["category"], row["category"]) for name, row in meta.items()]

    def limit(self, config: EvalConfig, last: bool) -> int:
        return config.final_fid if last else config.fid

    def files(self, k: int, item: Item, exam: ExamConfig) -> list[PictureFile]:
        return [PictureFile(f"mjhq/{item.rule}/{item.id}.jpg", item.prompt, 200_000 + k)]

    def judges(self, exam: ExamConfig, device: str) -> dict[str, Any]:
        return {"features": features.load("inception", device, weights=exam.inception)}

    def score_files(
        self, listed: base.Listed, judges: base.Judges, exam: ExamConfig, how: How, cache: Path
    ) -> list[Result]:
        categories = dict(sorted((item.files[0], item.rule) for item in listed.items))
        found = Sorted(listed.folder, categories, listed.troubles)
        return [score_sets.score_fid(found, Path(exam.mjhq), judges["features"], cache=cache, how=how, resamples=0)]

    def key(self, metric: str, score: str) -> str:
        return "fid" if score == "fid" else f"{metric}/{score}"


def captions(path: Path) -> dict[str, dict[str, str]]:
    """meta_data.json: prompt and category of each picture's name."""
    try:
        rows = json.loads(images.text(path))
        return {str(name): {"prompt": str(r["prompt"]), "category": str(r["category"])} for name, r in rows.items()}
    except FolderError:
        raise
    except (ValueError, AttributeError, TypeError, KeyError):
        raise FolderError(f"{path}: is no object of names with prompt and category") from None


MJHQ = Mjhq()
