"""A judge that is told the truth: it reads detections and answers from scenes, not from pictures of them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from headtohead.synthetic.prompts import questions
from headtohead.synthetic.scenes import Scenes
from headtohead.synthetic.vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, PICTURE_SIDE, SHAPES
from headtohead.utils.boxes import Detection


class SceneJudge:
    """The judge of the pictures of scenes, which it gets in their order; their pixels play no part."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes

    def detect(self, pictures: Tensor) -> list[list[Detection]]:
        s, boxes = self.scenes, self.scenes.boxes
        nothing = np.zeros((PICTURE_SIDE, PICTURE_SIDE), bool)  # masks are for judges that look
        return [
            [
                Detection(SHAPES[s.shape[k, j]], 1.0, tuple(boxes[k, j]), nothing, COLOUR_NAMES[s.colour[k, j]])
                for j in range(s.count[k])
            ]
            for k in range(len(s))
        ]

    def colours(self, pictures: Tensor, found: list[list[Detection]]) -> list[list[str]]:
        return [[d.colour for d in row] for row in found]

    def answers(self, pictures: Tensor, texts: list[list[str]]) -> list[list[str]]:
        grounds = [BACKGROUND_NAMES[k] for k in self.scenes.background]
        return [
            [questions.answer(q, seen, ground) for q in row]
            for row, seen, ground in zip(texts, self.detect(pictures), grounds, strict=True)
        ]
