"""What the strict parser makes of unions, lists, rules and names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from headtohead.config.parsing import ConfigError, OneOf, Rule, build

HEADS = {"dit": 1, "linear": 2}


@dataclass(frozen=True, kw_only=True)
class Range:
    low: float
    high: float


Values = Annotated[list[int | float | str], Rule("two values or more", lambda v: "too few" if len(v) < 2 else "")]


@dataclass(frozen=True, kw_only=True)
class Example:
    axes: dict[str, Range | Values] = field(default_factory=dict)
    heads: Annotated[dict[Annotated[str, OneOf(HEADS, "head")], int], Rule("sizes by head", empty=True)] = field(
        default_factory=dict
    )
    names: tuple[str, ...] = ()


def test_a_union_takes_the_type_that_fits_the_value() -> None:
    made = build(Example, {"axes": {"train.lr": {"low": "1e-4", "high": 1}, "train.ema": [1, 0.5, "x"]}, "names": "a"})
    assert made.axes == {"train.lr": Range(low=1e-4, high=1.0), "train.ema": [1, 0.5, "x"]}
    assert made.names == ("a",)
    assert build(Example, {"heads": {}}).heads == {}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "f: expected settings, got nothing"),
        ({"axes": {"train.lr": 3}}, "f: axes: train.lr: expected "),
        ({"axes": {"train.lr": [1]}}, "f: axes: train.lr: too few, got [1]"),
        ({"axes": {"train.lr": [1, True]}}, "f: axes: train.lr: expected two values or more, got True"),
        ({"axes": {"train.lr": {"low": 1}}}, "f: axes: train.lr.high: missing"),
        ({"axes": {"train.lr": {"lwo": 1}}}, "f: axes: unknown key train.lr.lwo; did you mean train.lr.low?"),
        ({"axes": {}}, "f: axes: expected settings by name, got {}"),
        ({"heads": {"dti": 3}}, "f: heads: unknown head dti; did you mean dit?"),
        ({"heads": {"dit": 0}}, "f: heads.dit: expected a whole number from 1 to"),
        ({"heads": 3}, "f: heads: expected sizes by head, got 3"),
    ],
)
def test_mistakes_name_file_key_and_what_is_expected(given: Any, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(Example, given, "f")
    assert str(error.value).startswith(says)
