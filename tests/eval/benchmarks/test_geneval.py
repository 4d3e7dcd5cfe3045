"""GenEval's rules on hand-made detections."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headtohead.eval.benchmarks.geneval import GENEVAL, Verdict, verdict
from headtohead.utils.boxes import Detection

EXPECTED = Path(__file__).parent / "expected" / "geneval_verdicts.json.gz"
NOTHING = np.zeros((1, 1), bool)


def seen(name: str, score: float = 0.95, x: float = 30, y: float = 30, colour: str = "red") -> tuple[Detection, str]:
    return Detection(name, score, (x - 5, y - 5, x + 5, y + 5), NOTHING), colour


def line(tag: str, *include: dict[str, Any], exclude: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"tag": tag, "include": list(include), "exclude": list(exclude)}


def item(name: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": name, "count": count, **more}


ONE = line("single_object", item("star"))
TWO = line("two_object", item("star"), item("moon"))
THREE = line("counting", item("star", 3), exclude=(item("star", 4),))
RED = line("colors", item("star", color="red"))
LEFT = line("position", item("moon"), item("star", position=["left of", 0]))


@pytest.mark.parametrize(
    ("asked", "found", "want"),
    [
        (ONE, [seen("star")], True),
        (ONE, [seen("moon")], False),
        (ONE, [], False),
        (ONE, [seen("star"), seen("star"), seen("moon")], True),  # more than asked for is no fault
        (ONE, [seen("star", 0.3)], False),  # strictly above
        (ONE, [seen("star", 0.3001)], True),
        (TWO, [seen("star"), seen("moon")], True),
        (TWO, [seen("star"), seen("star")], False),
        (THREE, [seen("star")] * 3, True),
        (THREE, [seen("star")] * 2, False),
        (THREE, [seen("star")] * 4, False),
        (THREE, [*[seen("star")] * 3, seen("star", 0.9)], True),  # counting looks above 0.9 only
        (THREE, [*[seen("star")] * 2, seen("star", 0.9)], False),
        (RED, [seen("star", colour="red")], True),
        (RED, [seen("star", colour="blue")], False),
        (RED, [seen("star", 0.9, colour="blue"), seen("star", 0.8, colour="red")], False),  # the best one is looked at
        (LEFT, [seen("moon", x=50), seen("star", x=10)], True),
        (LEFT, [seen("moon", x=10), seen("star", x=50)], False),
        (LEFT, [seen("star", x=10)], False),  # no moon to be left of
        (LEFT, [seen("moon", x=50)], False),
    ],
)
def test_verdicts(asked: dict[str, Any], found: list[tuple[Detection, str]], want: bool) -> None:
    assert verdict(asked, found).correct is want


def test_every_object_must_hold_the_relation_to_every_target() -> None:
    asked = line("position", item("moon", 2), item("star", 2, position=["left of", 0]))
    good = [seen("moon", x=50), seen("moon", x=55), seen("star", x=5), seen("star", x=10)]
    assert verdict(asked, good).correct
    assert not verdict(asked, [*good[:3], seen("star", x=53)]).correct


def test_a_wrong_colour_takes_the_target_away_from_positions() -> None:
    asked = line("position", item("moon", color="blue"), item("star", position=["left of", 0]))
    v = verdict(asked, [seen("moon", x=50), seen("star", x=10)])
    assert not v.correct
    assert len(v.reasons) == 2


def test_at_most_sixteen_objects_of_a_class_count() -> None:
    many = [seen("star", 0.99 - k / 1000) for k in range(20)]
    assert verdict(line("counting", item("star", 16), exclude=(item("star", 17),)), many).correct


def test_overall_is_the_mean_of_the_tasks_not_of_the_pictures() -> None:
    verdicts = [Verdict("colors", True)] * 9 + [Verdict("position", False)]
    assert GENEVAL.scores([], verdicts) == {"colors": 1.0, "position": 0.0, "overall": 0.5}


def test_verdicts_are_those_of_the_official_scorer() -> None:
    """3,600 detection sets: every task, scores on the thresholds, equal scores, boxes on the boundary of a relation.

    Left out are sets whose official verdict depends on how a machine sorts equal scores.
    """
    sets = json.loads(gzip.decompress(EXPECTED.read_bytes()))
    wrong = []
    for k, case in enumerate(sets):
        found = [(Detection(name, score, tuple(box), NOTHING), colour) for name, score, box, colour in case["found"]]
        if verdict(case["line"], found).correct != case["correct"]:
            wrong.append(k)
    assert len(sets) == 3600
    assert not wrong
