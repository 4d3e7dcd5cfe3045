"""Settings of objectives: typed, refused where the objective lacks them, absent from older records without harm."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from ablations.analysis.designs import Cell, unlike
from ablations.sweep.sweep_file import parse
from headtohead.config.design import OBJECTIVES, ObjectiveSpec
from headtohead.config.objectives import FlowConfig, ObjectiveConfig
from headtohead.config.parsing import ConfigError, differences
from headtohead.config.presets import applicable, configure
from headtohead.config.run_config import recorded
from headtohead.models import build
from headtohead.records.read import flat, runs
from headtohead.utils.tensor_shapes import Grid
from tests.support.small import THEN

BEFORE = Path(__file__).parents[1] / "support" / "before"  # configurations as earlier versions wrote them


def test_the_defaults_are_the_papers() -> None:
    assert configure("clip_flow").objective == FlowConfig(times="uniform", shift=1.0, predict="velocity")
    assert configure("clip_mse_dit").plain()["objective"] == {}


def test_settings_are_typed() -> None:
    given = {"objective.times": "logit_normal", "objective.shift": "2.5", "objective.predict": "x"}
    assert configure("vae_flow", overrides=given).objective == FlowConfig(times="logit_normal", shift=2.5, predict="x")
    by_dimension = configure("vae_flow", overrides={"objective.shift": "dimension"})
    assert by_dimension == configure("vae_flow", overrides={"objective.shift": 0})


@pytest.mark.parametrize(
    ("design", "overrides", "says"),
    [
        (
            "clip_flow",
            {"objective.times": "lognormal"},
            "objective.times lognormal; did you mean logit_normal?",
        ),
        ("clip_flow", {"objective.shift": "dim"}, "objective.shift: expected a number or `dimension`, got 'dim'"),
        ("clip_flow", {"objective.shift": -1}, "objective.shift: expected a number or `dimension` from 0 to"),
        ("clip_flow", {"objective.tims": "uniform"}, "unknown key objective.tims; did you mean objective.times?"),
        (
            "clip_mse_dit",
            {"objective.predict": "x"},
            "objective.predict: clip_mse_dit has no such setting: its objective is mse, which has no settings",
        ),
    ],
)
def test_mistakes_are_one_line(design: str, overrides: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        configure(design, overrides=overrides, where="sweeps/my.yaml")
    assert str(error.value).startswith("sweeps/my.yaml: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_over_several_designs_a_setting_applies_to_those_that_have_it() -> None:
    given = {"objective.shift": 3.0, "head.dim": 128}
    assert applicable("clip_mse_dit", ("clip_mse_dit", "clip_flow"), given) == {"head.dim": 128}
    assert applicable("clip_flow", ("clip_mse", "clip_flow"), given) == given
    changed = {**given, "design.objective": "mse"}
    assert "objective.shift" in applicable("clip_flow", ("clip_flow",), changed)  # nobody has it: configure refuses
    made = parse(
        "x", {"designs": ["clip_mse", "clip_flow"], "grid": {"objective.predict": ["velocity", "x"]}}, "x.yaml"
    )
    assert set(made.runs()) == {
        "clip_mse-s0", "clip_flow+objective.predict=velocity-s0", "clip_flow+objective.predict=x-s0"
    }  # fmt: skip


def test_records_of_before_read_and_compare_with_new_ones() -> None:
    for design in ("clip_flow", "clip_mse"):
        path = BEFORE / f"{design}-s0" / "config.json"
        plain = json.loads(path.read_text())
        assert "objective" not in plain
        head = {"head.places": False, "head.rotary_base": 10_000.0} if design == "clip_flow" else {}
        own = configure(design, overrides={**THEN, **head, "train.lr": plain["train"]["lr"]})
        assert recorded(plain, str(path)) == own
        (run,) = runs(path.parent)
        same = ("objective", "codec", "exam")
        assert not differences({k: run.config[k] for k in same}, {k: own.plain()[k] for k in same})


def cell(design: str, **overrides: Any) -> Cell:
    config = configure(design, overrides=overrides)
    settings = flat({k: v for k, v in config.plain().items() if k not in ("design", "seed")})
    return Cell("x", design, {k: str(v) for k, v in asdict(config.design).items()}, settings, {})


def test_designs_of_other_objectives_compare_but_other_settings_of_one_objective_do_not() -> None:
    assert unlike(cell("clip_flow"), cell("clip_mse_dit")) == ()
    assert unlike(cell("clip_flow"), cell("vae_flow", **{"objective.predict": "x"})) == ("objective.predict",)


@dataclass(frozen=True, kw_only=True)
class HuberConfig(ObjectiveConfig):
    delta: float = 1.0


def test_an_objective_of_a_plugin_gets_its_own_settings_and_one_without_none(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Any, ...]] = []

    def huber(*arguments: Any) -> nn.Module:
        given.append(arguments[1:])
        return nn.Identity()

    grid = Grid(4, 4, 192)
    monkeypatch.setitem(OBJECTIVES._entries, "huber", ObjectiveSpec(huber, settings=HuberConfig))
    monkeypatch.setitem(OBJECTIVES._entries, "plain", ObjectiveSpec(huber))
    for name, overrides in (("huber", {"objective.delta": "0.5"}), ("plain", {})):
        config = configure("clip_mse", overrides={"design.objective": name, **overrides})
        assert recorded(config.record(), "x") == config
        build.objective(config, grid, 192)
    own = configure("clip_mse").head
    assert given == [(own, grid, HuberConfig(delta=0.5)), (own, grid)]
