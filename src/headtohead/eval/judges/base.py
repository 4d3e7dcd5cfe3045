"""The protocols of judges; the embedded dataset's judge and the published ones implement them.

Judges take pictures (B, 3, H, W) in [0, 1] and give one list a picture.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from headtohead.utils.boxes import Detection


class Detector(Protocol):
    """Finds objects."""

    def detect(self, pictures: Tensor) -> list[list[Detection]]: ...


class ColourClassifier(Protocol):
    """Names the colour of each object that a detector found."""

    def colours(self, pictures: Tensor, found: list[list[Detection]]) -> list[list[str]]: ...


class Answerer(Protocol):
    """Answers questions in natural language about each picture; yes-or-no questions with exactly `yes` or `no`."""

    def answers(self, pictures: Tensor, questions: list[list[str]]) -> list[list[str]]: ...
