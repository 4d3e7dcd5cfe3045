"""A benchmark is one file, in the package's folder or a plugin's: its prompts are painted and its scores stand on the
curve."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from small import LINEAR

from headtohead.config.parsing import ConfigError
from headtohead.config.presets import configure
from headtohead.config.run_config import ExamConfig
from headtohead.eval import benchmarks
from headtohead.eval.benchmarks import base
from headtohead.eval.benchmarks.base import BENCHMARKS, Benchmark, from_files
from headtohead.eval.curve_points import score, synthetic
from headtohead.eval.curve_points.prompts import prompt_set
from headtohead.models.build import assemble

FILE = '''
"""Is a picture of the day brighter than grey, and one of the night darker?"""

from headtohead.eval.benchmarks.base import Benchmark, Item
from headtohead.eval.benchmarks.geneval import Verdict
from headtohead.eval.metrics.base import TaskShares


class Brightness(Benchmark):
    name = "brightness"

    def synthetic(self, split, pictures=0):
        return [Item(f"{time}{k}", f"a {time}, {k}", time, time) for time in ("day", "night") for k in range(3)]

    def judge(self, items, pictures, judges):
        bright = (pictures.mean((1, 2, 3)) > 0.5).tolist()
        return [Verdict(i.task, b == (i.task == "day"), ("dark",)) for i, b in zip(items, bright, strict=True)]

    def metric(self, items, **kwargs):
        return TaskShares(("day", "night"), **kwargs)


BRIGHTNESS = Brightness()
'''


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a file that the package finds beside its own."""
    (tmp_path / "brightness.py").write_text(FILE)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    monkeypatch.setattr(BENCHMARKS, "_entries", {})
    monkeypatch.setattr(BENCHMARKS, "_found", base._found)
    monkeypatch.delitem(sys.modules, f"{benchmarks.__name__}.brightness", raising=False)
    return tmp_path


def test_the_packages_benchmarks_are_found_in_their_order() -> None:
    assert list(BENCHMARKS) == ["geneval", "dpg", "mjhq", "own"]
    assert [b.name for b in from_files(ExamConfig(source="official"))] == ["geneval", "dpg", "mjhq"]
    assert [b.name for b in from_files(ExamConfig(source="own"))] == ["own"]
    with pytest.raises(ConfigError, match="unknown benchmark genevla; did you mean geneval"):
        prompt_set("dev", pictures={"genevla": 3})


def test_a_plugin_adds_one_and_a_name_is_taken_once(added: Path) -> None:
    class Mine(Benchmark):
        name = "mine"

    BENCHMARKS.add("mine", Mine())
    assert list(BENCHMARKS) == ["geneval", "dpg", "mjhq", "brightness", "own", "mine"]
    with pytest.raises(ConfigError, match="benchmark brightness: is registered already"):
        BENCHMARKS.add("brightness", Mine())


def test_two_files_with_one_name_are_refused(added: Path) -> None:
    (added / "other.py").write_text(FILE)
    with pytest.raises(ConfigError, match=r"other.py: another file has a benchmark brightness; choose another name"):
        len(BENCHMARKS)


def test_one_file_is_on_the_curve(added: Path) -> None:
    config = configure("clip_mse", overrides=LINEAR)
    parts = assemble(config, "cpu")
    measured = synthetic.SyntheticEvaluator(config, parts, "cpu").measure(parts.generator, last=True, step=6)
    assert measured
    point = measured.point
    day, night = point.values["brightness/day"], point.values["brightness/night"]
    assert point.values["brightness/overall"] == (day + night) / 2
    assert day in (0, 1 / 3, 2 / 3, 1)
    assert (point.n["brightness"], point.n["brightness/day"], point.n["fid"]) == (6, 3, 15)  # it has no true pictures
    assert [row["task"] for row in measured.prompts[-6:]] == ["day"] * 3 + ["night"] * 3
    assert len(point.scores) == 21
    config = configure("clip_mse", overrides={**LINEAR, "evaluation.geneval": 24})
    assert score.pictures(config.evaluation, last=True) == 21 + 2 * 4 * 1 + 12 + 16


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
