"""DPG-Bench's rules: exactly `yes`, cascading zeros, categories over questions, overall over pictures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from headtohead.eval.benchmarks import dpg
from headtohead.eval.benchmarks.dpg import DPG

EXPECTED = Path(__file__).parent / "expected" / "dpg_scores.json.gz"


def rows(*dependencies: str, category: str = "entity") -> list[dict[str, str]]:
    return [
        {"item_id": "p", "proposition_id": str(k + 1), "dependency": d, "tuple": f"{category} (x)"}
        for k, d in enumerate(dependencies)
    ]


@pytest.mark.parametrize(
    ("dependencies", "answers", "want"),
    [
        (["0", "1", "1,2"], ["yes", "yes", "yes"], [1, 1, 1]),
        (["0", "1", "2"], ["no", "yes", "yes"], [0, 0, 0]),  # zeros cascade
        (["0", "0", "1,2"], ["yes", "no", "yes"], [1, 0, 0]),  # any parent
        (["2", "0"], ["yes", "no"], [0, 0]),  # parents may stand below
        (["0", "9"], ["yes", "yes"], [1, 0]),  # a parent that was never asked cannot hold
        (["0"], ["Yes"], [0]),  # exactly `yes`
    ],
)
def test_grades(dependencies: list[str], answers: list[str], want: list[int]) -> None:
    assert list(dpg.grade(rows(*dependencies), answers).points.values()) == want


def test_a_circle_of_dependencies_is_refused() -> None:
    with pytest.raises(ValueError, match="depends on itself"):
        dpg.grade(rows("2", "1"), ["yes", "yes"])


def test_overall_weighs_pictures_and_categories_weigh_questions() -> None:
    a = dpg.grade(rows("0", "0", "0", "0"), ["yes"] * 4)
    b = dpg.grade(rows("0", category="other"), ["no"])
    assert DPG.by_prompt([[a], [b]]) == {"entity": 1.0, "other": 0.0, "overall": 0.5}


def test_official_scores_are_those_of_the_official_scorer() -> None:
    """226 prompts in 40 files: answers that cascade, parents below their children, parents that were never asked."""
    data = json.loads(gzip.decompress(EXPECTED.read_bytes()))
    checked = 0
    for study in data["studies"]:
        rows = [dict(zip(data["columns"], map(str, row), strict=True)) for row in study["rows"]]
        kept = []
        for item, score in study["scores"].items():
            asked = [k for k, row in enumerate(rows) if row["item_id"] == item and k > 0]  # the first row is lost
            all_of_it = [k for k, row in enumerate(rows) if row["item_id"] == item]
            said = [[crop[all_of_it.index(k)] for k in asked] for crop in study["answers"][item]]
            try:
                graded = [dpg.grade([rows[k] for k in asked], crop, "official") for crop in said]
            except dpg.Lost:
                assert score is None
                continue
            assert np.mean([g.score for g in graded]) == pytest.approx(score, abs=1e-12)
            kept.append(graded)
            checked += 1
        if kept:
            got = DPG.by_prompt(kept, "official", subcategories=True)
            assert got.pop("overall") == pytest.approx(study["overall"], abs=1e-12)
            assert got == pytest.approx({**study["detailed"], **study["broad"]}, abs=1e-12)
    assert checked > 150


def test_what_the_official_scorer_gets_wrong_moves_the_score() -> None:
    below = rows("2", "3", "0")
    official, fixed = (dpg.grade(below, ["yes", "yes", "no"], mode).score for mode in ("official", "fixed"))
    assert (official, fixed) == (pytest.approx(1 / 3), 0.0)
