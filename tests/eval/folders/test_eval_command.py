"""python -m headtohead.eval on folders in the official layouts, with small checkpoints in the real formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from on_disk import Place, geneval_folder, questions, questions_file, save

from headtohead.eval.__main__ import main
from headtohead.eval.folders import options, score
from headtohead.eval.judges import features, mask2former, vqa
from headtohead.utils.cli import Parser


def test_geneval_prints_and_keeps_everything_that_identifies_a_score(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.json"
    assert main(place.geneval("--prompts", place.root / "prompts.jsonl", "--out", out)) == 0
    told = capsys.readouterr().out
    assert "geneval (official)" in told
    assert "not comparable to published scores" in told
    kept = json.loads(out.read_text())
    assert set(kept["scores"]) == {"single_object", "colors", "overall", "any picture of a prompt"}
    assert kept["n"] == {"overall": 6, "single_object": 4, "colors": 2}
    assert kept["judge"]["detector"]["weights"]
    assert kept["settings"]["short"] == 64
    assert len(kept["settings"]["names"]) == 64
    assert kept["picture_size"] == ["48x48"]
    assert kept["comparable_to_published"] is False
    assert "blind to the variance between trainings" in kept["interval_is"]
    assert [len(row["pictures"]) for row in kept["prompts"]] == [2, 2, 2]
    assert {"headtohead", "transformers", "torchvision", "pillow", "numpy"} <= set(kept["packages"])


def test_what_is_missing_or_damaged_is_named_and_counted(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = geneval_folder(tmp_path / "broken")
    (broken / "00000" / "samples" / "0001.png").write_bytes(b"no picture")
    (broken / "00001" / "metadata.jsonl").write_text("{")
    asked = place.geneval("--prompts", place.root / "prompts.jsonl", "--out", tmp_path / "x.json", images=broken)
    assert main(asked) == 1
    told = capsys.readouterr().err
    assert "0001.png: is not a picture" in told
    assert "00001/metadata.jsonl: is no line of GenEval's" in told
    assert "no pictures of 'a photo of a class 2'" in told
    assert "3 missing or damaged" in told
    assert len(json.loads((tmp_path / "x.json").read_text())["troubles"]) == 3
    assert main([*asked, "--allow-missing", "--batch", "1"]) == 0


def test_dpg_in_both_modes_side_by_side(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(place.dpg("--out", tmp_path / "res-v1.0", "--mode", "both")) == 0
    told = capsys.readouterr().out
    (heads,) = [line for line in told.splitlines() if line.split() == ["dpg", "(official)", "dpg", "(fixed)"]]
    (overall,) = [line for line in told.splitlines() if line.startswith("  overall")]
    official, fixed = (json.loads((tmp_path / f"res-v1.0.{m}.json").read_text()) for m in ("official", "fixed"))
    assert overall[heads.index("dpg (official)") :].split()[0] == f"{official['scores']['overall']:.4f}"
    assert overall[heads.index("dpg (fixed)") :].split()[0] == f"{fixed['scores']['overall']:.4f}"
    assert set(fixed["scores"]) == {"entity", "entity - whole", "overall"}
    assert official["picture_size"] == ["32x32"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["res-v1.0.fixed.json", "res-v1.0.official.json"]
    save(tmp_path / "odd" / "p0.png", 63)
    assert main(place.dpg(images=tmp_path / "odd")) == 2
    assert "63 x 63 does not divide into 2 x 2 pictures" in capsys.readouterr().err


def test_a_prompt_whose_only_question_is_lost_is_dropped(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The official scorer loses the file's first row."""
    one = questions_file(tmp_path / "one.csv", questions("0"))
    save(tmp_path / "own" / "p0.png", 64)
    assert main(place.dpg(images=tmp_path / "own", prompts=one)) == 2
    assert "p0 is dropped, as the official scorer does: its only question is the lost one" in capsys.readouterr().err
    assert main(place.dpg("--mode", "fixed", images=tmp_path / "own", prompts=one)) == 0


def test_fid_overall_and_by_category(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, cache = tmp_path / "f.json", tmp_path / "cache"
    assert main(place.fid(place.root / "mjhq", cache, "--out", out)) == 0
    assert "fid-inception (clean)" in capsys.readouterr().out
    kept = json.loads(out.read_text())
    assert set(kept["scores"]) == {"fid", "animals", "art"}
    assert kept["reference"]["n"] == 55
    assert kept["resizer"] == "clean"
    assert kept["intervals"]["fid"]["low"] < kept["scores"]["fid"] < kept["intervals"]["fid"]["high"]
    (saved,) = cache.glob("*.safetensors")
    assert main(place.fid(saved, cache, "--out", tmp_path / "g.json")) == 0
    assert json.loads((tmp_path / "g.json").read_text())["scores"] == kept["scores"]
    assert main(place.fid(place.root / "mjhq", cache, "--draws", "0", images=place.root / "mjhq")) == 0
    assert "fid                             0.0000" in capsys.readouterr().out
    assert main(place.fid(saved, cache, "--mode", "legacy_tensorflow")) == 2
    assert "its resizer is clean, not legacy_tensorflow" in capsys.readouterr().err


def test_few_pictures_are_said_to_be_few(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(5):
        save(tmp_path / "few" / f"{k}.png")
    asked = place.fid(place.root / "mjhq", tmp_path, "--draws", "0", images=tmp_path / "few")
    assert main(asked) == 0
    assert "5 pictures are fewer than the 48 dimensions" in capsys.readouterr().out
    for k in range(1, 5):
        (tmp_path / "few" / f"{k}.png").unlink()
    assert main(asked) == 2
    assert "one picture has no spread" in capsys.readouterr().err


def test_diversity_of_accepted_pictures(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(place.diversity()) == 0
    assert "every picture counts" in capsys.readouterr().out
    judged = tmp_path / "r.json"
    assert main(place.geneval("--out", judged)) == 0
    told = json.loads(judged.read_text())
    for row in told["prompts"]:
        for p in row["pictures"]:
            p["correct"] = row["id"] == "00000"
    judged.write_text(json.dumps(told))
    capsys.readouterr()
    assert main(place.diversity("--accepted", judged, "--out", tmp_path / "d.json")) == 0
    assert "n 2" in capsys.readouterr().out
    kept = json.loads((tmp_path / "d.json").read_text())
    assert kept["accepted"]["file"] == str(judged)
    assert kept["accepted"]["judge"] == told["judge"]
    other = geneval_folder(tmp_path / "other")  # the same prompts, another model's pictures
    assert main(place.diversity("--accepted", judged, images=other)) == 2
    assert "has judged other pictures (00000/0000.png differs)" in capsys.readouterr().err
    judged.write_text(json.dumps({**told, "metric": "dpg"}))
    assert main(place.diversity("--accepted", judged)) == 2
    assert "is a result of dpg, not of geneval" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("geneval --images nowhere", "--names: needs object_names.txt"),
        ("geneval --images nowhere --names {names}", "--images nowhere: no such folder"),
        ("dpg --images nowhere --prompts {dpg}", "--images nowhere: no such folder"),
        ("dpg --images x --prompts nowhere.csv", "nowhere.csv: No such file"),
        ("fid --images nowhere --reference {made}", "--images nowhere: no such folder"),
        ("fid --images {made} --reference nowhere", "--reference nowhere: no such file or folder"),
        ("fid --images {made} --reference {made} --cache {names}", "--cache {names}/statistics: cannot be written"),
        ("fid --images {made} --reference {made} --out {made}", "--out {made}: is a folder, not a file"),
        (
            "fid --images {made} --reference {made} --space clip --mode legacy_pytorch",
            "--mode legacy_pytorch: resizers",
        ),
        ("diversity --images nowhere", "--images nowhere: no such folder"),
        ("dpg --images {images} --prompts {dpg} --out {names}/a.json", "--out {names}/a.json: cannot be written"),
        ("compare nowhere.json b", "nowhere.json: No such file"),
    ],
)
def test_bad_input_is_one_line_before_any_model_is_loaded(
    asked: str, says: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for judge in (mask2former, vqa, features):
        monkeypatch.setattr(judge, "load", lambda *_: pytest.fail("a model was loaded"))
    at = {"names": place.root / "names.txt", "dpg": place.root / "dpg.csv", "images": place.root / "dpg"}
    there = {**at, "made": place.root / "made"}
    assert main(asked.format(**there).split()) == 2
    told = capsys.readouterr().err
    assert says.format(**there) in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("draws", ["-3", "1", "x"])
def test_draws_are_none_or_some(draws: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fid", "--images", "x", "--reference", "y", "--draws", draws])
    assert "expected 0, or a whole number from 2 on" in capsys.readouterr().err


def test_helps_say_what_is_needed_and_where_it_comes_from() -> None:
    helps = {}
    for add in (options.geneval, options.dpg, options.fid):
        parser = Parser("x", "x")
        add(parser)
        helps[add.__name__] = " ".join(parser.format_help().split())
    assert "required: the detector's class names" in helps["geneval"]
    assert "NAME.official.json and NAME.fixed.json" in helps["dpg"]
    assert "huggingface.co/datasets/playgroundai/MJHQ-30K" in helps["fid"]


def test_a_stop_in_the_first_seconds_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parsers and packages are imported then."""

    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Parser, "add_subparsers", stopped)
    assert main(["geneval"]) == 130
    assert capsys.readouterr().err == "eval: stopped\n"


def test_a_full_disk_is_one_line(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "a.json")

    monkeypatch.setattr(score.FinishedRows, "add", full)
    assert main(place.geneval("--out", tmp_path / "a.json")) == 2
    assert capsys.readouterr().err == "eval: a.json: No space left on device\n"
