"""A benchmark is one file: added from outside, its prompts are painted and its scores stand on the curve."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from small import LINEAR
from torch import Tensor

from headtohead.config.presets import configure
from headtohead.config.registry import Registry
from headtohead.eval.benchmarks import declared
from headtohead.eval.benchmarks.base import Benchmark, Item, Judges
from headtohead.eval.benchmarks.geneval import Verdict
from headtohead.eval.benchmarks.metric import TaskShares
from headtohead.eval.curve_points import prompts, score, synthetic
from headtohead.models.build import assemble


class Brightness(Benchmark):
    """Is a picture of the day brighter than grey, and one of the night darker?"""

    name = "brightness"

    def synthetic(self, split: str, pictures: int = 0) -> list[Item]:
        return [Item(f"{time}{k}", f"a {time}, {k}", time, time) for time in ("day", "night") for k in range(3)]

    def judge(self, items: Sequence[Item], pictures: Tensor, judges: Judges) -> list[Verdict]:
        bright = (pictures.mean((1, 2, 3)) > 0.5).tolist()
        return [Verdict(i.task, b == (i.task == "day"), ("dark",)) for i, b in zip(items, bright, strict=True)]

    def metric(self, items: Sequence[Item], **kwargs: Any) -> TaskShares:
        return TaskShares(("day", "night"), **kwargs)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    benchmarks = Registry("benchmark", dict(declared.BENCHMARKS))
    benchmarks.add("brightness", Brightness())
    for module in (declared, prompts, score, synthetic):
        monkeypatch.setattr(module, "BENCHMARKS", benchmarks)
    return


def test_a_benchmark_from_outside_is_on_the_curve(added: None) -> None:
    config = configure("clip_mse", overrides=LINEAR)
    parts = assemble(config, "cpu")
    measured = synthetic.SyntheticExaminer(config, parts, "cpu").measure(parts.generator, last=True, step=6)
    assert measured
    point = measured.point
    day, night = point.values["brightness/day"], point.values["brightness/night"]
    assert point.values["brightness/overall"] == (day + night) / 2
    assert day in (0, 1 / 3, 2 / 3, 1)
    assert (point.n["brightness"], point.n["brightness/day"], point.n["fid"]) == (6, 3, 30)  # it has no true pictures
    assert [row["task"] for row in measured.asked[-6:]] == ["day"] * 3 + ["night"] * 3
    assert len(point.scores) == 36
    config = configure("clip_mse", overrides={**LINEAR, "evaluation.geneval": 24})
    assert score.pictures(config.evaluation, last=True) == 36 + 2 * 4 * 2 + 12 + 16


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")
def test_the_pages_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/metrics.md, word by word."""
    page = Path(__file__).parents[3] / "docs" / "metrics.md"
    (program,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    exec(program, names)
    assert 0 <= names["scores"]["geneval/overall"] < 0.2  # of noise
    assert names["scores"]["fid"] > 50
    assert "geneval/overall" in capsys.readouterr().out
