"""The blind study: what raters see tells nothing, what they save is read back, wins are counted with their clusters."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from made import record
from PIL import Image

from ablations.analysis.human_study.answers import QUESTIONS, answered, rates, read
from ablations.analysis.human_study.pairs import keys
from ablations.report import build
from ablations.report.human_study import main
from headtohead.records.json_files import RecordError
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder

SIDE = """(({pair, sides}) => given.pairs.find(p => p.id === pair).pictures.indexOf(sides[0]))
    (kept.order[kept.chosen.length])"""
PROMPTS = [f"prompt {k} <b>" for k in range(12)]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two designs, two seeds, each picture of a colour of its own."""
    folder = tmp_path / "reference"
    for number, design in enumerate(("clip_flow", "vae_flow")):
        record(folder / design, 0.5, seeds=(0, 1))
        for run in runs(folder):
            if run.name.startswith(design):
                tiles = [np.full((8, 8, 3), 20 * k + 100 * number // 10, np.uint8) for k in range(12)]
                whole = np.vstack([np.hstack(tiles[:6]), np.hstack(tiles[6:])])
                Image.fromarray(whole).save(Recorder(run.folder).grid(900, "prompts"), lossless=True)
                Recorder(run.folder).status("finished", shown={"prompts": PROMPTS, "often": PROMPTS[:4]})
    assert main([str(folder)]) == 0
    return folder


def save(sweep: Path, rater: str, first: float, changed: dict[str, Any] | None = None) -> Path:
    """A rater's file; of each prompt's answers the given share prefers the first design."""
    ((study, key),) = keys(sweep).items()
    lines = []
    for question in QUESTIONS:
        for k, (pair, told) in enumerate(key["pairs"].items()):
            chosen = told["pictures"][0 if (k * 7 % 24) / 24 < first else 1]["name"]
            lines.append({"pair": pair, "question": question, "chosen": chosen})
    path = sweep / "answers" / f"{rater}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"study": study, "rater": rater, "answers": lines, **(changed or {})}))
    return path


def test_the_page_knows_no_design(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (sweep / "study.html").read_text()
    assert "clip" not in page.split("</style>")[1]
    assert "vae" not in page.split("</style>")[1]
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert len(data["pairs"]) == 24
    assert len(data["pictures"]) == 48
    ((_, key),) = keys(sweep).items()
    assert {s["design"] for p in key["pairs"].values() for s in p["pictures"]} == {"clip_flow", "vae_flow"}


def test_pairs_are_of_one_prompt_and_seed(sweep: Path) -> None:
    ((_, key),) = keys(sweep).items()
    for pair in key["pairs"].values():
        one, other = pair["pictures"]
        assert (one["seed"], one["step"]) == (other["seed"], other["step"])
        assert one["design"] != other["design"]
    assert sorted({p["prompt"] for p in key["pairs"].values()}) == sorted(PROMPTS)


@pytest.mark.usefixtures("undrawn")
def test_answers_stand_in_the_report(sweep: Path) -> None:
    for rater in ("Ann", "Bob", "Cy", "Di"):
        save(sweep, rater, 0.75)
    told = answered(sweep)
    assert told
    assert [r.rate for r in told.rates] == [0.75, 0.75]
    assert (told.rates[0].answers, told.rates[0].prompts, told.rates[0].raters) == (96, 12, 4)
    assert build.main([str(sweep)]) == 0
    assert "What raters prefer" in (sweep / "report.html").read_text()
    assert "| quality | clip_flow | vae_flow | 75% |" in (sweep / "report.md").read_text()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"study": "other"}, "study: 'other' is none of this sweep's"),
        ({"study": ["x"]}, r"study: \['x'\] is none"),
        ({"rater": 3}, "rater: expected a name, got 3"),
        ({"answers": "all"}, "answers: expected a list, got 'all'"),
        ({"answers": ["x"]}, "answer 1: pair: None is none"),
        ({"answers": [{"pair": {}, "question": "quality", "chosen": "tie"}]}, "answer 1: pair: {} is none"),
    ],
)
def test_foreign_answers_are_one_line(changed: dict[str, Any], says: str, sweep: Path) -> None:
    path = save(sweep, "Ann", 0.5, changed)
    with pytest.raises(RecordError, match=f"Ann.json: {says}"):
        read(path, keys(sweep))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("question", "taste", "answer 1: question: expected quality or alignment, got 'taste'"),
        ("question", [], r"answer 1: question: expected quality or alignment, got \[\]"),
        ("chosen", "left", "answer 1: chosen: 'left' is no picture of the pair"),
        ("chosen", {}, "answer 1: chosen: {} is no picture"),
    ],
)
def test_damaged_answers_are_one_line(key: str, value: Any, says: str, sweep: Path) -> None:
    path = save(sweep, "Ann", 0.5)
    given = json.loads(path.read_text())
    given["answers"][0][key] = value
    path.write_text(json.dumps(given))
    with pytest.raises(RecordError, match=says):
        read(path, keys(sweep))


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_counted_is_said_and_the_rest_counts(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(sweep, "Ann", 0.75)
    shutil.copy(sweep / "answers" / "Ann.json", sweep / "answers" / "again.json")
    (sweep / "answers" / "half.json").write_text('{"study":')
    (sweep / "answers" / "noise.json").write_bytes(b"\xff\xfe\x00")
    told = answered(sweep)
    assert told
    assert told.rates[0].answers == 24
    assert len(told.refused) == 3
    assert any("rater: Ann has answered already, in Ann.json; left out" in line for line in told.refused)
    capsys.readouterr()
    assert main([str(sweep)]) == 2
    assert capsys.readouterr().err.count("\n") == 3
    assert build.main([str(sweep)]) == 2
    assert str(sweep) not in (sweep / "report.html").read_text()


def test_answers_of_pictures_that_were_replaced_do_not_count(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for rater in ("Ann", "Bob"):
        save(sweep, rater, 0.75)
    for path in (sweep / "vae_flow-s1" / "grids").glob("*.webp"):
        Image.fromarray(255 - np.asarray(Image.open(path).convert("RGB"))).save(path, lossless=True)
    told = answered(sweep)
    assert told
    assert [r.answers for r in told.rates] == [24, 24]  # of the other seed
    assert [line.split(";")[0] for line in told.refused] == [
        f"answers/{rater}.json: 24 of 48 answers are of pictures that finished runs do not show, or no longer"
        for rater in ("Ann", "Bob")
    ]
    assert main([str(sweep)]) == 2
    assert capsys.readouterr().err.count("left out") == 2
    assert len(keys(sweep)) == 2  # the new pictures are another study


@pytest.mark.parametrize("arguments", [["--design", "clip_flow"], ["--design", "clip_flow", "clip_mse"]])
def test_nothing_to_compare_is_one_line(arguments: list[str], sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sweep), *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_page_that_cannot_be_written_is_one_line(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sweep / "study.html").unlink()
    (sweep / "study.html").mkdir()
    assert main([str(sweep)]) == 2
    assert capsys.readouterr().err == f"human_study: {sweep / 'study.html'}: Is a directory\n"


def test_without_answers_there_is_nothing_to_show(sweep: Path) -> None:
    assert answered(sweep) is None
    assert rates([]) == []


@pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed")
def test_a_rater_answers_with_keys_and_the_answers_are_read_back(sweep: Path) -> None:
    page = sweep / "study.html"
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        browser.size(1000, 900)
        browser.open(page)
        browser.look("document.getElementById('rater').value = '../Ann <b>', document.getElementById('begin').click()")
        assert browser.look("document.getElementById('prompt').textContent").startswith("“prompt ")
        sides = set()
        for _ in range(12):
            sides.add(browser.look(SIDE))
            browser.key("ArrowLeft")
        assert sides == {0, 1}
        browser.key("ArrowUp")
        browser.key("ArrowDown")
        saved = browser.look("answers()")
        assert len(saved["answers"]) == 12
        assert saved["answers"][-1]["chosen"] == "tie"
        browser.open(page)
        browser.look("document.getElementById('rater').value = '../Ann <b>', document.getElementById('begin').click()")
        assert browser.look("answers().answers.length") == 12  # taken up where it was left
        while browser.look("document.getElementById('end').hidden"):
            browser.key("ArrowRight")
        saved = browser.look("answers()")
        assert browser.errors == []
        assert [url for url in browser.requests if not url.startswith("data:")] == [page.resolve().as_uri()]
    path = sweep / "answers" / "ann.json"
    path.parent.mkdir()
    path.write_text(json.dumps(saved))
    assert len(read(path, keys(sweep))[2]) == 48
