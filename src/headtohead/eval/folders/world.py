"""Score a folder with the embedded dataset's judge, which ships with the package and needs no model hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from headtohead.eval.benchmarks import geneval
from headtohead.eval.benchmarks.dpg import DPG, questions
from headtohead.eval.folders import layouts, score
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.resume import How
from headtohead.eval.judges.pixels import PixelJudge
from headtohead.pretrained.loading.by_name import Identity, weights_hash
from headtohead.synthetic.prompts.short_prompts import FOLDER, Split
from headtohead.synthetic.vocabulary import COLOUR_NAMES, PICTURE_SIDE, SHAPES
from headtohead.utils.boxes import Detection

REASON = "the prompts and the judge are the embedded dataset's"


class Resized:
    """The embedded dataset's judge for images of any size, which are resized to that of the dataset."""

    def __init__(self, judge: PixelJudge) -> None:
        self.judge, self.identity = judge, Identity(judge.name, weights_hash(judge.net.state_dict()))

    def detect(self, pictures: Tensor) -> list[list[Detection]]:
        return self.judge.detect(_resized(pictures))

    def colours(self, pictures: Tensor, found: list[list[Detection]]) -> list[list[str]]:
        return self.judge.colours(pictures, found)

    def answers(self, pictures: Tensor, questions: list[list[str]]) -> list[list[str]]:
        return self.judge.answers(_resized(pictures), questions)


def _resized(pictures: Tensor) -> Tensor:
    size = (PICTURE_SIDE, PICTURE_SIDE)
    return pictures if pictures.shape[2:] == size else F.interpolate(pictures, size, mode="bilinear", antialias=True)


def listed(folder: Path, prompts: Path | None, split: Split, tiles: int) -> Callable[[PixelJudge, How], list[Result]]:
    """Read prompts and list images; returns a function that scores them.

    folder   in GenEval's layout (<index>/samples/*.png) or DPG-Bench's (<item>.png)
    prompts  of GenEval (.jsonl) or of DPG-Bench (.csv); None for the shipped ones
    split    of the shipped prompts
    tiles    images in a file of DPG-Bench's layout
    """
    numbered = any(path.is_dir() and path.name.isdigit() for path in folder.iterdir())
    prompts = prompts or FOLDER / split / ("geneval.jsonl" if numbered else "dpg.csv")
    settings = {"side": PICTURE_SIDE}
    if prompts.suffix == ".jsonl":
        lines = geneval.prompts(prompts, SHAPES, COLOUR_NAMES)
        found = layouts.geneval(folder, lines, SHAPES, COLOUR_NAMES)

        def pictures(judge: PixelJudge, how: How) -> list[Result]:
            judges = dict.fromkeys(("detector", "colours"), Resized(judge))
            return [_not_published(score.by_picture(geneval.GENEVAL, found, judges, settings, how))]

        return pictures
    if prompts.suffix != ".csv":
        raise FolderError(f"--prompts {prompts}: expected GenEval's lines (.jsonl) or DPG-Bench's questions (.csv)")
    found = layouts.dpg(folder, questions(prompts))

    def answers(judge: PixelJudge, how: How) -> list[Result]:
        results = score.by_answers(DPG, found, Resized(judge), tiles=tiles, modes=("fixed",), how=how)
        return [_not_published(result) for result in results]

    return answers


def _not_published(result: Result) -> Result:
    damaged = [f"{len(result.troubles)} missing or damaged"] if result.troubles else list[Any]()
    return replace(result, not_comparable_because=[REASON, *damaged])
