"""An exam: what is asked of a model, and true pictures of it. Every design of a study sits the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.synthetic.prompts import dense_prompts, short_prompts
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.utils.files import fingerprint

SEED = 7_000_000  # of the test scenes; training streams stay far below
A_PROMPT = {"single_object": 8, "counting": 3}  # pictures a prompt where a task has few; one elsewhere
T = TypeVar("T")


@dataclass(frozen=True)
class Exam:
    """Prompts with true pictures of them: GenEval's lines first, then DPG-Bench's questions."""

    lines: list[dict[str, Any]]  # one a picture
    questions: list[list[dict[str, str]]]  # one list a picture
    texts: list[str]
    seen: NDArray[np.bool_]
    scenes: Scenes
    pictures: Tensor

    @property
    def asked(self) -> list[dict[str, Any]]:
        """A row a picture: the prompt, its task, and whether training shows what it asks for."""
        tasks = [*(line["tag"] for line in self.lines), *("dpg" for _ in self.questions)]
        return [
            {"prompt": text, "task": task, "seen": bool(seen)}
            for text, task, seen in zip(self.texts, tasks, self.seen, strict=True)
        ]

    @property
    def id(self) -> str:
        return fingerprint(self.asked)


def exam(
    split: short_prompts.Split = "test", seed: int = SEED, *, limit: tuple[int, int] | None = None, device: str = "cpu"
) -> Exam:
    """Every prompt of the split with independent renders of it, several where a task has few prompts.

    `limit` asks for so many pictures of GenEval's prompts, shared evenly by the tasks, and of DPG's.
    """
    short, dense = short_prompts.geneval(split), dense_prompts.dense(split)
    if limit is None:
        short = [p for p in short for _ in range(A_PROMPT.get(p.tag, 1))]
    else:
        tasks = [[p for p in short if p.tag == task] for task in short_prompts.TASKS]
        short = [p for rows in tasks for p in _thinned(rows, limit[0] // len(tasks))]
        dense = _thinned(dense, limit[1])
    requests = [*map(short_prompts.request, short), *(p.request for p in dense)]
    scenes = Scenes.cat([draw(seed, np.array([k]), request=r, held_out=True) for k, r in enumerate(requests)])
    return Exam(
        lines=[p.line() for p in short],
        questions=[p.rows() for p in dense],
        texts=[*(p.prompt for p in short), *(p.text for p in dense)],
        seen=np.array([*(p.seen for p in short), *(p.seen for p in dense)]),
        scenes=scenes,
        pictures=torch.cat([render(scenes[k : k + 512], device) for k in range(0, len(scenes), 512)]),
    )


def _thinned(rows: list[T], limit: int) -> list[T]:
    """Evenly spread; some twice when there are fewer."""
    return [rows[k] for k in np.linspace(0, len(rows) - 1, limit).astype(int)]


def shown(split: short_prompts.Split, a_task: int) -> list[str]:
    """A few prompts of each of GenEval's tasks, to be looked at."""
    short = short_prompts.geneval(split)
    tasks = [[p.prompt for p in short if p.tag == task] for task in short_prompts.TASKS]
    return [text for rows in tasks for text in _thinned(rows, a_task + 2)[1:-1]]
