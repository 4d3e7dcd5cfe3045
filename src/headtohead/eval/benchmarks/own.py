"""A user's own prompts from a file, and the Fréchet distance of their images to reference images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headtohead.config.run_config import EvalConfig, ExamConfig
from headtohead.eval.benchmarks import base
from headtohead.eval.benchmarks.base import Item, PictureFile
from headtohead.eval.folders import images, layouts, score_sets
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.layouts import Sorted
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.resume import How
from headtohead.eval.judges import features


class Own(base.Benchmark):
    name, setting, source = "own", "prompts", "own"

    def read(self, path: Path) -> list[Item]:
        """A line is a prompt, or a JSON object with the key `prompt`."""
        out = list[Item]()
        for number, line in enumerate(images.text(path).split("\n"), 1):
            if text := _prompt(line.strip(), f"{path}: line {number}"):
                out.append(Item(f"{len(out):05d}", text, None, self.name))
        if not out:
            raise FolderError(f"{path}: holds no prompts")
        return out

    def pictures(self, exam: ExamConfig) -> int:
        return exam.a_prompt

    def limit(self, config: EvalConfig, last: bool) -> int:
        """`evaluation.fid` prompts before the last point; all of them while it is left at 1."""
        return config.final_fid if last else config.fid if config.fid > 1 else 0

    def files(self, k: int, item: Item, exam: ExamConfig) -> list[PictureFile]:
        numbers = range(exam.a_prompt)
        return [
            PictureFile(f"own/{item.id}/{n:04d}.png", item.prompt, 300_000 + exam.a_prompt * k + n) for n in numbers
        ]

    def judges(self, exam: ExamConfig, device: str) -> dict[str, Any]:
        if not exam.reference:
            return {}
        layouts.mjhq(Path(exam.reference), flag="exam.reference")  # refused here if it holds no pictures
        return {
            "features": features.load(
                exam.features, device, weights=exam.inception if exam.features == "inception" else ""
            )
        }

    def score_files(
        self, listed: base.Listed, judges: base.Judges, exam: ExamConfig, how: How, cache: Path
    ) -> list[Result]:
        if not exam.reference:
            return []
        files = dict.fromkeys((file for item in listed.items for file in item.files), "")
        found = Sorted(listed.folder, files, listed.troubles)
        return [
            score_sets.score_fid(found, Path(exam.reference), judges["features"], cache=cache, how=how, resamples=0)
        ]

    def key(self, metric: str, score: str) -> str:
        return "fid" if score == "fid" else f"{metric}/{score}"


def _prompt(line: str, place: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        text = json.loads(line).get("prompt")
    except ValueError:
        raise FolderError(f"{place}: is no JSON") from None
    if not isinstance(text, str) or not text.strip():
        raise FolderError(f"{place}: prompt: expected a text, got {json.dumps(text)}")
    return text.strip()


OWN = Own()
