"""Searches that cannot be meant: one line, before anything begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from endings import ended
from searches import go, unreal

from ablations.tune import search_space
from headtohead.config.parsing import ConfigError


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--design", "clip_mes"], "did you mean clip_mse?"),
        (["--trials", "0"], "expected a whole number from 1 on"),
        (["--space", "../tiny"], "cannot be a search's name"),
        (["--space", "tinny"], "no such search; there are: tiny"),
        (["--study", "../x"], "cannot be a study's name"),
        (["--write", "/etc/x"], "cannot be a sweep's name"),
        (["--set", "evaluation.split=test"], "a search uses dev prompts"),
        (["--design", "clip_flow", "--set", "head.dmi=3"], "did you mean head.dim?"),
        (["--set", "head.dim=32"], "head.dim: clip_mse has no such setting: its head is linear"),
        (["--set", "train.lr=0.1"], "train.lr stands in space and in set"),
        (["--storage", "nonsense"], "expected an address such as sqlite:///my.db"),
        (["--storage", "postgresql+psycopg2://me:secret@host/x"], "--storage postgresql+psycopg2://me:***@host/x: "),
        (
            ["--storage", "postgresql+pg8000://me:secret@host/x"],
            "driver is not installed; `pip install pg8000`",
        ),
        (["--storage", "sqlite:////proc/none/x.db"], "No such file or directory"),
    ],
)
def test_mistakes_are_one_line_before_anything_begins(
    words: list[str], says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(lambda: go(*words)) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert "secret" not in told
    assert not list((place / "results").rglob("config.json"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("space: {train.lr: 3}", "train.lr: expected low and high"),
        ("space: {train.lr: [1]}", "train.lr: expected low and high, or a list of two values or more"),
        ("space: {train.lr: {low: 1}}", "train.lr.high: missing"),
        ("space: {train.lr: {low: 2, high: 1}}", "train.lr: low=2 must be below high=1"),
        ("space: {train.lr: {low: x, high: 1}}", "train.lr.low: expected a number, got 'x'"),
        ("space: {train.lr: {low: nan, high: 1}}", "train.lr: low=nan must be below high=1"),
        ("space: {train.warmup: {low: 2, high: 8, step: 0.5}}", "train.warmup: step=0.5 does not lead from 2 to 8"),
        ("space: {train.lr: {low: 0, high: 1, log: true}}", "does not begin at 0"),
        ("space: {train.lr: {low: 0, high: 1, step: 0.3}}", "step=0.3 does not lead from 0 to 1"),
        ("space: {train.lr: {low: 0, hihg: 1}}", "did you mean train.lr.high?"),
        ("space: {train.lr: {low: 0, high: 1, whole: true}}", "unknown key train.lr.whole"),
        ("space: {train.steps: [1, 2]}", "train.steps is part of the budget"),
        ("space: {evaluation.split: [dev, test]}", "evaluation.split is part of the budget"),
        ("space: {head.dim: {low: 0.5, high: 64.5}}", "head.dim: expected a whole number"),
        ("space: {train.lr: [1, 2]}\nset: {train.lr: 1}", "train.lr stands in space and in set"),
        ("space: {train.lr: [1, 2]}\nset: {evaluation.split: test}", "a search uses dev prompts"),
        ("space: {train.lr: [1, 2]}\nseed: x", "seed: expected a whole number"),
        ("spice: {}", "did you mean space?"),
        ("space: {}", "space: expected settings with ranges"),
    ],
)
def test_search_files_are_strict(text: str, says: str, place: Path) -> None:
    (place / "sweeps" / "search" / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        search_space.read("bad").check(["clip_flow"])
    assert str(error.value).startswith("sweeps/search/bad.yaml: ")
    assert says in str(error.value)


def test_a_study_of_another_search_is_not_joined(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    assert go(many=1) == 0
    assert go("--steps", "12", many=1) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "holds another search (design.train.steps: 6 there, 12 here); --study gives it another name" in told
    assert go("--steps", "12", "--study", "longer", many=1) == 0


def test_a_sweep_file_that_people_wrote_is_not_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "sweeps" / "tuned-tiny.yaml").write_text("designs: all\n")
    assert go() == 2
    assert "is there already and not of study tiny" in capsys.readouterr().err
    assert (place / "sweeps" / "tuned-tiny.yaml").read_text() == "designs: all\n"


def test_the_search_of_this_repository_fits_every_design() -> None:
    own = search_space.read("micro", Path(__file__).parents[3] / "sweeps" / "search")
    own.check(choose_from := ("clip_mse", "clip_flow", "vae_flow", "vae_mse", "clip_mse_dit", "vae_mse_dit"))
    assert {own.steps(design) for design in choose_from} == {400}
