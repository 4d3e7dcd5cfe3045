"""The commands of the study: what they print, write and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablations.prepare import gallery, pretrained, prompts
from headtohead.records import ceilings


def test_an_unknown_foundation_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert pretrained.main(["--only", "vea"]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    assert "vea" in out.err
    assert "did you mean vae?" in out.err


def test_finished_foundations_are_not_made_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert pretrained.main([]) == 0
    out = capsys.readouterr()
    assert "up to date" in out.err
    assert "true renders" in out.out
    assert "floor: noise" in out.out


def test_the_docs_show_the_figures_that_were_measured() -> None:
    page = pretrained.PAGE.read_text()
    shown = page.split(pretrained.BEGIN)[1].split(pretrained.END)[0].strip()
    assert shown == pretrained.tables(ceilings.measured())


def test_the_figures_belong_to_the_weights() -> None:
    assert ceilings.measured()["recipes"] == pretrained.identity()


def test_prompts_are_written_where_asked(tmp_path: Path) -> None:
    assert prompts.main(["--out", str(tmp_path)]) == 0
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")} == {
        "dev/geneval.jsonl",
        "dev/dpg.csv",
        "test/geneval.jsonl",
        "test/dpg.csv",
    }


def test_the_gallery_draws_its_pages(tmp_path: Path) -> None:
    gallery.captioned(tmp_path, columns=2, rows=1)
    gallery.one_prompt(tmp_path, many=2)
    gallery.round_trips(tmp_path, "cpu", many=2)
    assert {p.name for p in tmp_path.iterdir()} == {"captions.png", "one_prompt.png", "round_trips.png"}
    assert all(p.stat().st_size > 5000 for p in tmp_path.iterdir())
