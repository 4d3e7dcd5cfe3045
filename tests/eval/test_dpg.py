"""DPG-Bench's rules: exactly `yes`, cascading zeros, categories over questions, overall over pictures."""

from __future__ import annotations

import pytest

from headtohead.eval import dpg


def rows(*dependencies: str, category: str = "entity") -> list[dict[str, str]]:
    return [
        {"item_id": "p", "proposition_id": str(k + 1), "dependency": d, "category_broad": category}
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
    assert dpg.scores([a, b]) == {"entity": 1.0, "other": 0.0, "overall": 0.5}
