"""Configuration: presets build, overrides are typed, and every mistake is one line that names its place."""

from __future__ import annotations

import pytest

from headtohead.config.design import DESIGNS, Design
from headtohead.config.parsing import ConfigError, build
from headtohead.config.presets import PRESETS, configure
from headtohead.config.run_config import RunConfig


@pytest.mark.parametrize("scale", PRESETS)
@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_builds_at_every_scale_and_comes_back_from_plain_data(scale: str, design: str) -> None:
    run = configure(design, scale, seed=3)
    assert build(RunConfig, run.plain()) == run
    assert build(RunConfig, run.plain()).hash == run.hash


def test_overrides_are_typed_and_change_the_hash() -> None:
    plain = configure("clip_flow")
    run = configure("clip_flow", overrides={"head.dim": "384", "train.lr": "3e-4", "design.backbone": "trained"})
    assert (run.head.dim, run.train.lr, run.design.backbone) == (384, 3e-4, "trained")
    assert run.head.layers == plain.head.layers
    assert len({plain.hash, run.hash, configure("clip_flow", seed=1).hash}) == 3


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"head.dmi": 256}, "unknown key head.dmi; did you mean head.dim?"),
        ({"haed.dim": 256}, "unknown key haed; did you mean head?"),
        ({"head.dim": "many"}, "head.dim: expected a whole number, got 'many'"),
        ({"head.dim": 2.5}, "head.dim: expected a whole number, got 2.5"),
        ({"train.lr": True}, "train.lr: expected a number, got True"),
        ({"train.lr": None}, "train.lr: expected a number, got None"),
        ({"sampling.solver": "huen"}, "unknown value of sampling.solver huen; did you mean heun?"),
        ({"design.objective": "flo"}, "unknown value of design.objective flo; did you mean flow?"),
        ({"head": 3}, "head: expected settings, got 3"),
        ({"seed.deep": 3}, "seed.deep: seed holds no settings of its own"),
        ({"head.dim": 193}, "head.dim=193 must be divisible by head.heads=8"),
        ({"query.template": "no place"}, "query.template has no {caption}"),
        ({"head.heads": 0}, "head.heads: expected a whole number from 1 to"),
        ({"head.rotary_base": 0.5}, "head.rotary_base=0.5 must be at least 1"),
        ({"train.lr": "nan"}, "train.lr: expected a number from 0 to"),
        ({"train.lr": -1}, "train.lr: expected a number from 0 to"),
        ({"data.dense": 7}, "data.dense: expected a number from 0 to 1, got 7"),
        ({"evaluation.every": 0}, "evaluation.every: expected a whole number from 1 to"),
        ({"seed": 5}, "seed: is no setting"),
        ({"scale": "paper"}, "scale: is no setting"),
        ({"design.head": "linear"}, "objective=flow needs head=dit"),
    ],
)
def test_mistakes_are_one_line(overrides: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        configure("clip_flow", overrides=overrides, where="sweeps/my.yaml")
    assert str(error.value).startswith("sweeps/my.yaml: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown design clip_fow; did you mean clip_flow\?"):
        configure("clip_fow")
    with pytest.raises(ConfigError, match=r"unknown scale mikro; did you mean micro\?$"):
        configure("clip_flow", "mikro")


@pytest.mark.parametrize(
    ("design", "overrides"),
    [("clip_huber", {}), ("clip_mse", {"design.objective": "huber"}), ("clip_mse", {"design.head": "mlp"})],
)
def test_names_that_a_plugin_may_add_say_so(design: str, overrides: dict[str, str]) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown (design|value of design\.\w+) \w+; .* \(--plugin FILE adds others\)$"
    ):
        configure(design, overrides=overrides)


def test_designs_are_the_papers_and_the_controls_of_objective() -> None:
    flow, mse = DESIGNS["clip_flow"], DESIGNS["clip_mse_dit"]
    assert (flow.backbone, flow.head, flow.representation) == (mse.backbone, mse.head, mse.representation)
    paper = Design(representation="clip", objective="mse", backbone="trained", head="linear")
    assert DESIGNS["clip_mse"] == paper
