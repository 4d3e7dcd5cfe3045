"""A result says all that keeps it from published numbers, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from headtohead.config.published_models import COLOURS, DETECTOR, INCEPTION
from headtohead.eval.benchmarks.base import with_differences
from headtohead.eval.benchmarks.dpg import DPG
from headtohead.eval.benchmarks.geneval import GENEVAL
from headtohead.eval.benchmarks.published import GENEVAL_NAMES, GENEVAL_PROMPTS, SHA256
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.score_sets import fid_differences

FOUR = [{"id": "0", "score": 1.0, "pictures": [{}] * 4}]


def result(metric: str, **more: Any) -> Result:
    empty: dict[str, Any] = {
        "mode": "official", "judge": {}, "settings": {}, "images": "x", "scores": {}, "intervals": {},
        "interval_is": "", "n": {}, "picture_size": [], "packages": {},
    }  # fmt: skip
    return Result(metric, **{**empty, **more})


def geneval(**more: Any) -> Result:
    judge = {"detector": {"name": DETECTOR}, "colours": {"name": COLOURS}}
    settings = {"short": 800, "names": SHA256[GENEVAL_NAMES]}
    official = {"judge": judge, "settings": settings, "exam": SHA256[GENEVAL_PROMPTS], "prompts": FOUR}
    own = result("geneval", **{**official, **more})
    return with_differences(own, GENEVAL.differences(own))


def fid(**more: Any) -> Result:
    official = {"judge": {"features": {"name": INCEPTION}}, "resizer": "clean", "reference": {"n": 30_000},
                "n": {"fid": 30_000}}  # fmt: skip
    own = result(more.pop("metric", "fid-inception"), **{**official, **more})
    return with_differences(own, fid_differences(own))


def dpg(**more: Any) -> Result:
    official = {"judge": {"answerer": {"name": "blip"}}, "settings": {"tiles": 4}, "prompts": FOUR * 1065}
    own = result("dpg", **{**official, **more})
    return with_differences(own, DPG.differences(own))


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (geneval(), []),
        (geneval(exam="0"), ["the prompts are not the published 553"]),
        (geneval(settings={"short": 800, "names": "0"}), ["the class names are not the published ones"]),
        (geneval(prompts=[{**FOUR[0], "pictures": [{}]}]), ["pictures a prompt: 1, not 4"]),
        (geneval(troubles=["x"]), ["1 missing or damaged"]),
        (dpg(), []),
        (dpg(mode="fixed"), ["published scores hold the official scorer's errors"]),
        (dpg(prompts=FOUR), ["1 prompts, not 1,065"]),
        (fid(), []),
        (fid(judge={"features": {"name": "my.pt"}}), ["Inception of one's own: my.pt"]),
        (fid(resizer="legacy_pytorch"), ["resizer legacy_pytorch, not clean"]),
        (fid(reference={"n": 55}), ["55 pictures in the reference, not 30,000"]),
        (fid(metric="fid-clip"), ["clip features, not Inception's"]),
    ],
)
def test_every_reason_is_said(own: Result, says: list[str]) -> None:
    """The first one always stands there: no published judge, and no published reference, can be held against ours."""
    assert not own.comparable_to_published
    assert len(own.not_comparable_because[0]) > 20
    assert own.not_comparable_because[1:] == says


def test_what_is_no_number_is_no_result() -> None:
    with pytest.raises(FolderError, match="--images x: dpg overall is no number"):
        result("dpg", scores={"overall": float("nan")})
