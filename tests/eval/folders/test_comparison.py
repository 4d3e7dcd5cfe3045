"""Two results are compared where they measured the same things, whatever these are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from on_disk import Place, questions, questions_file

from headtohead.eval.__main__ import main

JUDGE = {"detector": {"name": "x", "weights": "1"}}


def result(path: Path, scores: list[float], **more: Any) -> Path:
    rows = [{"id": f"{k:05d}", "task": ("colors", "position")[k % 2], "score": s} for k, s in enumerate(scores)]
    told = {"metric": "geneval", "mode": "official", "judge": JUDGE, "settings": {"short": 64}, "scores": {},
            "prompts": rows, "exam": "e", "resizer": "", "reference": {}, "accepted": {}, "troubles": []}  # fmt: skip
    path.write_text(json.dumps({**told, **more}))
    return path


def test_two_results_are_compared_on_their_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = np.random.default_rng(1).integers(0, 2, 200) * 0.5
    a = result(tmp_path / "a.json", list(base))
    b = result(tmp_path / "b.json", list(base + 0.25), troubles=["x: is no picture"])
    assert main(["compare", str(a), str(b)]) == 0
    told = capsys.readouterr().out
    assert "B - A = +0.2500, +0.2500 to +0.2500, p = 0.001" in told
    assert "200 shared prompts" in told
    assert f"{b}: 1 missing or damaged" in told


def test_the_same_weights_under_another_name_compare(tmp_path: Path) -> None:
    a = result(tmp_path / "a.json", [1.0, 0.0])
    b = result(tmp_path / "b.json", [1.0, 0.0], judge={"detector": {"name": "elsewhere/x", "weights": "1"}})
    assert main(["compare", str(a), str(b)]) == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"mode": "fixed"}, 'mode is "official" and "fixed"'),
        ({"judge": {"detector": {"name": "x", "weights": "2"}}}, 'judge.detector.weights is "1" and "2"'),
        ({"judge": {"detector": {"name": "y"}}}, 'judge.detector.weights is "1" and null'),
        ({"settings": {"short": 96}}, "settings.short is 64 and 96"),
        ({"settings": {"short": 64, "tiles": 1}}, "settings.tiles is null and 1"),
        ({"resizer": "clean"}, 'resizer is "" and "clean"'),
        ({"reference": {"key": "k", "n": 3}}, 'reference.key is null and "k"'),
        ({"accepted": {"file": "f", "judge": JUDGE}}, "accepted.judge is null and "),
        ({"exam": "f"}, "exam is e and f: they ask other things"),
    ],
)
def test_results_that_do_not_compare_are_refused(
    more: dict[str, Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = result(tmp_path / "a.json", [1.0]), result(tmp_path / "b.json", [1.0], **more)
    assert main(["compare", str(a), str(b)]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"prompts": "none"}, "prompts is missing or of another kind"),
        ({"prompts": [1]}, "prompts[0].id is missing"),
        ({"prompts": [{"id": "0", "score": "high"}]}, "prompts[0].score is missing"),
        ({"prompts": [{"id": "0", "score": float("nan")}]}, "prompts[0].score is missing"),
        ({"prompts": [{"id": "0", "score": 1, "task": 3}]}, "prompts[0].task is missing"),
        ({"prompts": [{"id": "0", "score": 1, "pictures": [3]}]}, "prompts[0].pictures is missing"),
        ({"prompts": [{"id": "0", "score": 1}] * 2}, "prompts: an id stands there twice"),
        ({"judge": "x"}, "judge is missing or of another kind"),
        ({"prompts": []}, "holds no scores by prompt"),
    ],
)
def test_what_is_no_result_is_refused(
    more: dict[str, Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = result(tmp_path / "a.json", [1.0], **more)
    assert main(["compare", str(a), str(a)]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_settings_and_questions_stand_in_results(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other short sides, tiles and questions do not compare."""
    for short in (64, 96):
        assert main(place.geneval("--out", tmp_path / f"{short}.json", short=short)) == 0
    for tiles in ("1", "4"):
        assert main(place.dpg("--tiles", tiles, "--mode", "fixed", "--out", tmp_path / f"{tiles}.json")) == 0
    rows = [row for item in ("p0", "p1") for row in questions("0", "0", "2", item=item)]
    rows[0][-1] = "is there a cat ?"
    prompts = questions_file(tmp_path / "q.csv", rows)
    assert main(place.dpg("--mode", "fixed", "--out", tmp_path / "q.json", prompts=prompts)) == 0
    capsys.readouterr()
    for a, b, says in (("64", "96", "settings.short"), ("1", "4", "settings.tiles"), ("4", "q", "exam")):
        assert main(["compare", str(tmp_path / f"{a}.json"), str(tmp_path / f"{b}.json")]) == 2
        assert f"{says} is" in capsys.readouterr().err
