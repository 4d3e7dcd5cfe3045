"""python -m headtohead.eval on folders in the official layouts, with small checkpoints in the real formats."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
from PIL import Image

from headtohead.eval import scoring
from headtohead.eval.__main__ import main

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
LINES = [
    {"tag": "single_object", "include": [{"class": "class 1", "count": 1}], "prompt": "a photo of a class 1"},
    {"tag": "single_object", "include": [{"class": "class 2", "count": 1}], "prompt": "a photo of a class 2"},
    {"tag": "colors", "include": [{"class": "class 3", "count": 1, "color": "red"}], "prompt": "a red class 3"},
]
PIXELS = np.random.default_rng(0)


def save(path: Path, side: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS.integers(0, 255, (side, side, 3), np.uint8)).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("eval")
    for k, line in enumerate(LINES):
        folder = place / "geneval" / f"{k:05d}"
        for sample in range(2):
            save(folder / "samples" / f"{sample:04d}.png")
        (folder / "metadata.jsonl").write_text(json.dumps(line))
    (place / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    (place / "names.txt").write_text("".join(f"class {k}\n" for k in range(80)))
    with (place / "dpg.csv").open("w", newline="") as f:
        rows = csv.writer(f)
        columns = "item_id text keywords proposition_id dependency category_broad category_detailed tuple"
        rows.writerow([*columns.split(), "question_natural_language"])
        for item in ("p0", "p1"):
            for number, parents in ((1, "0"), (2, "0"), (3, "2")):
                rows.writerow([item, f"text of {item}", "", number, parents, "entity", "whole",
                               f"entity - whole (dog {number})", "is there a dog ?"])  # fmt: skip
            save(place / "dpg" / f"{item}.png", 64)
    for category, many in (("animals", 30), ("art", 25)):
        for k in range(many):
            save(place / "mjhq" / category / f"{category}{k}.jpg")
            save(place / "made" / category / f"{category}{k}.jpg")
    checkpoints.mask2former(place / "detector")
    checkpoints.blip(place / "blip")
    checkpoints.inception(place / "inception")
    (place / "clip.txt").write_text(checkpoints.clip(place / "clip"))
    return place


def geneval(place: Path, *more: str, images: str = "geneval") -> list[str]:
    return ["geneval", "--images", str(place / images), "--names", str(place / "names.txt"), "--detector",
            str(place / "detector"), "--colours", (place / "clip.txt").read_text(), "--short", "64", "--device", "cpu",
            "--quiet", *more]  # fmt: skip


def test_geneval_prints_and_keeps_everything_that_identifies_a_score(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.json"
    assert main(geneval(place, "--prompts", str(place / "prompts.jsonl"), "--out", str(out))) == 0
    told = capsys.readouterr().out
    assert "geneval (official)" in told
    assert "not comparable to published scores" in told
    kept = json.loads(out.read_text())
    assert set(kept["scores"]) == {"single_object", "colors", "overall", "any picture of a prompt"}
    assert kept["n"] == {"overall": 6, "single_object": 4, "colors": 2}
    assert kept["judge"]["detector"]["weights"]
    assert kept["picture_size"] == ["48x48"]
    assert kept["comparable_to_published"] is False
    assert "blind to the variance between trainings" in kept["interval_is"]
    assert [len(row["pictures"]) for row in kept["prompts"]] == [2, 2, 2]
    assert kept["packages"]["transformers"]


def test_what_is_missing_or_damaged_is_named_and_counted(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"  # a picture, a metadata file and, because of it, a prompt
    for k, line in enumerate(LINES):
        save(broken / f"{k:05d}" / "samples" / "0000.png")
        (broken / f"{k:05d}" / "metadata.jsonl").write_text(json.dumps(line))
    (broken / "00000" / "samples" / "0001.png").write_bytes(b"no picture")
    (broken / "00001" / "metadata.jsonl").write_text("{")
    asked = geneval(place, "--prompts", str(place / "prompts.jsonl"), "--out", str(tmp_path / "x.json"))
    asked[2] = str(broken)
    assert main(asked) == 1
    told = capsys.readouterr().err
    assert "0001.png: is no picture" in told
    assert "00001/metadata.jsonl: is no line of GenEval's" in told
    assert "no pictures of 'a photo of a class 2'" in told
    assert "3 missing or damaged" in told
    assert len(json.loads((tmp_path / "x.json").read_text())["troubles"]) == 3
    assert main([*asked, "--allow-missing", "--batch", "1"]) == 0


def test_an_interrupted_command_goes_on(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = geneval(place, "--batch", "2", "--out", str(tmp_path / "a.json"))
    own, calls = scoring._detected, []

    def cut(*given: Any) -> Any:
        calls.append(len(given[0]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return own(*given)

    monkeypatch.setattr(scoring, "_detected", cut)
    assert main(asked) == 130
    assert "goes on from here" in capsys.readouterr().err
    assert main(asked) == 0
    assert calls == [2, 2, 2, 2]  # the first batch is not done again
    monkeypatch.undo()
    assert main(geneval(place, "--out", str(tmp_path / "whole.json"))) == 0
    a, b = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("a", "whole"))
    assert a == b
    assert not list(tmp_path.glob("*.partial.jsonl"))


def test_dpg_in_both_modes(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "d.json"
    asked = ["dpg", "--images", str(place / "dpg"), "--prompts", str(place / "dpg.csv"), "--judge", str(place / "blip"),
             "--device", "cpu", "--quiet", "--out", str(out)]  # fmt: skip
    assert main([*asked, "--mode", "both"]) == 0
    told = capsys.readouterr().out
    assert "dpg (official)" in told
    assert "dpg (fixed)" in told
    official, fixed = (json.loads((tmp_path / f"d.{m}.json").read_text()) for m in ("official", "fixed"))
    assert set(fixed["scores"]) == {"entity", "entity - whole", "overall"}
    assert official["picture_size"] == ["32x32"]
    save(tmp_path / "odd" / "p0.png", 63)
    asked[2] = str(tmp_path / "odd")
    assert main(asked) == 2
    assert "63 x 63 does not divide into 2 x 2 pictures" in capsys.readouterr().err


def fid(place: Path, images: str, reference: Path, cache: Path, *more: str) -> list[str]:
    return ["fid", "--images", str(place / images), "--reference", str(reference), "--cache", str(cache), "--weights",
            str(place / "inception" / "inception-2015-12-05.pt"), "--device", "cpu", "--quiet", *more]  # fmt: skip


def test_fid_overall_and_by_category(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, cache = tmp_path / "f.json", tmp_path / "cache"
    assert main(fid(place, "made", place / "mjhq", cache, "--out", str(out))) == 0
    kept = json.loads(out.read_text())
    assert set(kept["scores"]) == {"fid", "animals", "art"}
    assert kept["reference"]["n"] == 55
    assert kept["resizer"] == "clean"
    assert kept["intervals"]["fid"]["low"] < kept["scores"]["fid"] < kept["intervals"]["fid"]["high"]
    (saved,) = cache.glob("*.safetensors")
    capsys.readouterr()
    assert main(fid(place, "made", saved, cache, "--out", str(tmp_path / "g.json"))) == 0
    assert json.loads((tmp_path / "g.json").read_text())["scores"] == kept["scores"]
    assert main(fid(place, "mjhq", place / "mjhq", cache, "--draws", "0")) == 0
    assert "fid                             0.0000" in capsys.readouterr().out
    assert main(fid(place, "made", saved, cache, "--mode", "legacy_tensorflow")) == 2
    assert "its resizer is clean, not legacy_tensorflow" in capsys.readouterr().err


def test_few_pictures_are_said_to_be_few(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(5):
        save(tmp_path / "few" / f"{k}.png")
    assert main(fid(place, str(tmp_path / "few"), place / "mjhq", tmp_path, "--draws", "0")) == 0
    assert "5 pictures are fewer than the 48 dimensions" in capsys.readouterr().out


def test_diversity_of_accepted_pictures(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = str(place / "inception" / "inception-2015-12-05.pt")
    asked = ["diversity", "--images", str(place / "geneval"), "--weights", weights, "--device", "cpu", "--quiet"]
    assert main(asked) == 0
    assert "every picture counts" in capsys.readouterr().out
    row = {"id": "00000", "score": 1.0, "pictures": [{"file": f"{k:04d}.png", "correct": True} for k in range(2)]}
    told = {"metric": "geneval", "mode": "official", "judge": {}, "scores": {}, "prompts": [row]}
    (tmp_path / "r.json").write_text(json.dumps(told))
    assert main([*asked, "--accepted", str(tmp_path / "r.json")]) == 0
    assert "n 2" in capsys.readouterr().out


def result(path: Path, scores: list[float], **more: Any) -> Path:
    rows = [{"id": f"{k:05d}", "task": ("colors", "position")[k % 2], "score": s} for k, s in enumerate(scores)]
    told = {"metric": "geneval", "mode": "official", "judge": {"detector": "x"}, "scores": {}, "prompts": rows}
    path.write_text(json.dumps({**told, **more}))
    return path


def test_two_results_are_compared_on_their_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    base = rng.integers(0, 2, 200) * 0.5
    a, b = result(tmp_path / "a.json", list(base)), result(tmp_path / "b.json", list(base + 0.25))
    assert main(["compare", str(a), str(b)]) == 0
    told = capsys.readouterr().out
    assert "B - A = +0.2500, +0.2500 to +0.2500, p = 0.001" in told
    assert "200 shared prompts" in told


@pytest.mark.parametrize(
    ("more", "says"),
    [({"mode": "fixed"}, "mode is"), ({"judge": {"detector": "y"}}, "judge is"), ({"resizer": "clean"}, "resizer is")],
)
def test_results_that_do_not_compare_are_refused(
    more: dict[str, Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = result(tmp_path / "a.json", [1.0]), result(tmp_path / "b.json", [1.0], **more)
    assert main(["compare", str(a), str(b)]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["geneval", "--images", "nowhere"], "--names: needs object_names.txt"),
        (["fid", "--images", "x", "--reference", "y"], ""),
        (["dpg", "--images", "x", "--prompts", "nowhere.csv"], "nowhere.csv: No such file"),
        (["compare", "nowhere.json", "b"], "nowhere.json: No such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    asked: list[str], says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if asked[0] == "fid":
        asked = fid(place, "nowhere", place / "mjhq", place / "cache")
        says = "no such folder"
    assert main(asked) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
