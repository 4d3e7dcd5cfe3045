"""What `make paint` says before it paints, and which weights it can paint from."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from ablations.posthoc import guidance, paint, rescore
from ablations.sweep import sweep_file
from headtohead.config.presets import configure
from headtohead.config.run_config import recorded

ROOT = Path(__file__).parents[3]


def said(prompts: list[str], capsys: pytest.CaptureFixture[str], **settings: Any) -> str:
    runs = {design: (cast(Any, None), configure(design, overrides=settings)) for design in ("clip_flow", "vae_flow")}
    paint.warn_of_unknown_words(prompts, runs)
    return capsys.readouterr().err


def test_words_that_no_caption_had_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    prompts = ["A giraffe above a red cirlce.", "three blue stars", "a giraffe and a moon's ring"]
    assert said(prompts, capsys) == (
        "paint: not in the captions that clip_flow, vae_flow learnt from: giraffe, cirlce (did you mean circle?), "
        "moon's (did you mean moons?); painting all the same\n"
    )


@pytest.mark.parametrize(
    ("prompts", "settings"),
    [
        (["a photo of a small yellow moon", "Two rings!"], {}),
        (["a giraffe"], {"data.mix": "own.yaml"}),  # trained on captions that are not known here
    ],
)
def test_nothing_is_said_without_need(
    prompts: list[str], settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(prompts, capsys, **settings) == ""


@pytest.mark.parametrize("command", [paint, guidance, rescore])
def test_the_shipped_reference_says_where_weights_come_from(
    command: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(ROOT / "results" / "reference")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "results/reference: no finished run has kept weights" in error
    assert "`make weights` trains the reference's three designs once more and keeps theirs" in error


def test_make_weights_trains_what_the_reference_trained() -> None:
    runs = sweep_file.read(ROOT / "sweeps" / "weights.yaml").runs()
    assert list(runs) == ["clip_flow-s0", "vae_flow-s0", "clip_mse-s0"]
    for name, config in runs.items():
        path = ROOT / "results" / "reference" / name / "config.json"
        assert config == recorded(json.loads(path.read_text()), str(path))


def test_several_settings_may_be_one_text() -> None:
    own = configure("clip_flow").sampling
    changed = rescore.sampling(own, ["guidance=3 sampling.solver=heun"], "--set")
    assert (changed.guidance, changed.solver, changed.steps) == (3.0, "heun", own.steps)
