"""Every head has settings of its own; older records, which held a transformer's for all, still read and go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablations.sweep.sweep_file import parse
from headtohead.config.design import DESIGNS, OBJECTIVES, REPRESENTATIONS
from headtohead.config.heads import HEADS
from headtohead.config.parsing import ConfigError, differences
from headtohead.config.presets import applicable, configure
from headtohead.config.run_config import recorded
from headtohead.records.read import runs
from headtohead.utils.plugins import resolved
from tests.support.small import THEN

BEFORE = Path(__file__).parents[1] / "support" / "before"  # configurations as earlier versions wrote them


def test_every_declared_class_is_there() -> None:
    for spec in REPRESENTATIONS.values():
        assert callable(resolved(spec.source))
    for objective in OBJECTIVES.values():
        assert all(hasattr(resolved(objective.objective), name) for name in ("loss", "held_out", "sample"))
    for head in HEADS.values():
        assert callable(resolved(head.network))


def test_a_linear_head_has_no_sizes() -> None:
    assert configure("clip_mse").plain()["head"] == {}
    assert configure("clip_mse", overrides={"design.head": "dit"}).head == configure("clip_mse_dit").head


def test_a_setting_that_a_named_designs_head_lacks_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        configure("clip_mse", overrides={"head.dim": "128"}, where="command line")
    assert str(error.value) == (
        "command line: head.dim: clip_mse has no such setting: its head is linear, which has no settings"
    )
    with pytest.raises(ConfigError, match=r"head.dim: clip_mse has no such setting"):
        parse("x", {"designs": ["clip_mse", "vae_mse"], "set": {"head.dim": 128}}, "x.yaml").runs()
    with pytest.raises(ConfigError, match=r"unknown key head.dmi; did you mean head.dim\?"):
        configure("clip_flow", overrides={"head.dmi": "128"})


def test_over_several_designs_a_heads_setting_applies_to_those_that_have_it() -> None:
    both = parse("x", {"designs": ["clip_mse", "clip_flow"], "set": {"head.dim": 128}}, "x.yaml").runs()
    assert {name: run.plain()["head"].get("dim") for name, run in both.items()} == {
        "clip_mse-s0": None,
        "clip_flow-s0": 128,
    }
    made = parse("x", {"designs": "all", "set": {"head.dim": 128}, "grid": {"head.layers": [2, 3]}}, "x.yaml").runs()
    assert {name for name in made if "mse-s" in name} == {"clip_mse-s0", "vae_mse-s0"}
    assert {run.head.dim for name, run in made.items() if "head.layers" in name} == {128}  # type: ignore[attr-defined]
    assert len(made) == 2 + 2 * 4
    assert applicable("clip_mse", tuple(DESIGNS), {"head.dim": 1, "train.lr": 2}) == {"train.lr": 2}
    with pytest.raises(ConfigError, match=r"unknown key head\.dmi"):
        parse("x", {"designs": "all", "set": {"head.dmi": 128}}, "x.yaml").runs()


def test_records_of_before_read_compare_and_go_on() -> None:
    path = BEFORE / "clip_mse-s0" / "config.json"
    plain = json.loads(path.read_text())
    assert plain["head"]["dim"] == 256  # the record is one of before
    (run,) = runs(path.parent)
    assert run.config["head"] == {}
    own = recorded(plain, str(path))
    assert own == configure("clip_mse", overrides=THEN)
    assert "head" not in differences(own.plain(), run.config)
    flow = json.loads((BEFORE / "clip_flow-s0" / "config.json").read_text())
    since = {"rotary_base": 10_000.0, "places": False, "placed": False, "connector": False}
    assert recorded(flow, "").plain()["head"] == {**flow["head"], **since}
    with pytest.raises(ConfigError, match=r"unknown key head.dmi"):
        recorded({**plain, "head": {"dmi": 3}}, "x")
