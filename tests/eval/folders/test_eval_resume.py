"""Interrupted commands go on with what still holds, and with nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from on_disk import LINES, Place, geneval_folder, questions, questions_file, save

from headtohead.eval.__main__ import main
from headtohead.eval.folders import score
from headtohead.eval.folders.resume import FinishedRows, How, with_progress
from headtohead.eval.judges.features import Features
from headtohead.eval.judges.vqa import Vqa


@dataclass
class Calls:
    """How many pictures each call was asked about; Ctrl-C at the k-th."""

    asked: list[int] = field(default_factory=list)
    stop_at: int = 0

    def anew(self, stop_at: int = 0) -> None:
        self.asked, self.stop_at = [], stop_at


Watch = Callable[[Any, str, int], Calls]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    def of(holder: Any, name: str, place: int) -> Calls:
        own, calls = getattr(holder, name), Calls()

        def counted(*given: Any) -> Any:
            calls.asked.append(len(given[place]))
            if len(calls.asked) == calls.stop_at:
                raise KeyboardInterrupt
            return own(*given)

        monkeypatch.setattr(holder, name, counted)
        return calls

    return of


def test_geneval_goes_on(place: Place, tmp_path: Path, watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = place.geneval("--batch", "2", "--out", tmp_path / "a.v1")
    calls = watch(score, "_judged", 2)
    calls.anew(stop_at=2)
    assert main(asked) == 130
    assert "goes on from here" in capsys.readouterr().err
    assert main(asked) == 0
    assert calls.asked == [2, 2, 2, 2]  # the first batch is not done again
    assert main(place.geneval("--out", tmp_path / "whole.json")) == 0
    assert (tmp_path / "a.v1").read_text() == (tmp_path / "whole.json").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.v1", "whole.json"]


def test_other_settings_and_changed_pictures_are_scored_again(
    place: Place, tmp_path: Path, watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    images, out = geneval_folder(tmp_path / "own"), tmp_path / "a.json"
    (images / "00000" / "samples" / "0000.png").write_bytes(b"damaged")
    asked = place.geneval("--batch", "2", "--allow-missing", "--out", out, images=images)
    calls = watch(score, "_judged", 2)
    calls.anew(stop_at=3)
    assert main(asked) == 130
    save(images / "00000" / "samples" / "0000.png")  # repaired
    (images / "00001" / "samples" / "0001.png").unlink()  # taken away
    assert main(asked) == 0
    assert calls.asked == [1, 2, 2, 2, 3]  # damaged, whole, stopped; all again, for both others have changed
    told = json.loads(out.read_text())
    assert [len(row["pictures"]) for row in told["prompts"]] == [2, 1, 2]
    assert told["troubles"] == [f"{images}/00001/samples: pictures: 1, where other prompts have 2"]
    calls.anew(stop_at=2)
    assert main(asked) == 130
    capsys.readouterr()
    assert main(place.geneval("--batch", "2", "--allow-missing", "--out", out, images=images, short=96)) == 0
    assert "belongs to another judge, setting or folder; starting over" in capsys.readouterr().err
    assert json.loads(out.read_text())["settings"]["short"] == 96
    assert calls.asked == [2, 3, 2, 3]


def test_changed_questions_are_asked_again(place: Place, tmp_path: Path, watch: Watch) -> None:
    prompts = tmp_path / "q.csv"
    rows = [questions("0", "0", item=item) for item in ("p0", "p1")]
    questions_file(prompts, [*rows[0], *rows[1]])
    asked = place.dpg("--mode", "fixed", "--out", tmp_path / "d.json", prompts=prompts)
    calls = watch(Vqa, "answers", 1)
    calls.anew(stop_at=2)
    assert main(asked) == 130
    questions_file(prompts, [rows[0][0], *rows[1]])  # one question less
    assert main(asked) == 0
    assert len(calls.asked) == 4
    assert json.loads((tmp_path / "d.json").read_text())["n"] == {"overall": 2}


@pytest.mark.parametrize(
    ("damage", "kept"), [(b"\xff\xfe\n", 1), (b"{}\n", 1), (b"1\n", 1), (b'{"of": "x', 2), (b"", 2)]
)
def test_what_was_kept_is_taken_up_as_far_as_it_is_whole(
    damage: bytes, kept: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, of = tmp_path / "a.json", {"0": "x", "1": "y"}
    done = FinishedRows(out, {"judge": 1}, of)
    done.add([{"id": "0", "correct": True}])
    done.add([{"id": "1", "correct": True}])
    path = tmp_path / "a.json.partial.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[: kept + 1], damage, *lines[kept + 1 :]]))
    assert len(FinishedRows(out, {"judge": 1}, of).rows) == kept
    assert ("line 3 is damaged" in capsys.readouterr().err) == (kept == 1)
    assert len(FinishedRows(out, {"judge": 1}, of).rows) == kept  # it is whole again
    path.write_bytes(path.read_bytes().replace(b"true", b"null"))  # one's bytes have changed
    assert not FinishedRows(out, {"judge": 1}, of).rows
    assert not FinishedRows(out, {"judge": 2}, of).rows


def test_a_bar_begins_where_the_work_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress([["b", "c"]], 3, How(), done=1)) == [["b", "c"]]
    assert "1/3" in capsys.readouterr().err.split("\r")[1]


def test_an_unwritable_result_loses_nothing(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = place.geneval("--out", tmp_path / "a.json")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "a.json")

    monkeypatch.setattr(os, "replace", full)
    assert main(asked) == 2
    assert (tmp_path / "a.json.partial.jsonl").exists()
    monkeypatch.undo()
    monkeypatch.setattr(score, "_judged", lambda *_: pytest.fail("worked out again"))
    assert main(asked) == 0


def test_fid_goes_on_in_pictures_and_reference(place: Place, tmp_path: Path, watch: Watch) -> None:
    cache = tmp_path / "cache"
    asked = place.fid(place.root / "mjhq", cache, "--batch", "10", "--out", tmp_path / "f.json")
    calls = watch(Features, "__call__", 1)
    calls.anew(stop_at=3)
    assert main(asked) == 130
    assert list(cache.glob("*.partial/*.safetensors"))
    calls.anew(stop_at=7)
    assert main(asked) == 130
    assert calls.asked == [10, 10, 10, 5, 10, 10, 10]  # 35 of the reference are left, 20 of the pictures are done
    calls.anew()
    assert main(asked) == 0
    assert calls.asked == [10, 10, 10, 5]
    assert main(place.fid(place.root / "mjhq", tmp_path / "again", "--out", tmp_path / "g.json")) == 0
    one, other = (json.loads((tmp_path / name).read_text()) for name in ("f.json", "g.json"))
    assert one["scores"] == pytest.approx(other["scores"])
    assert not list(tmp_path.rglob("*.partial"))


def test_diversity_goes_on_without_what_has_changed(
    place: Place, tmp_path: Path, watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = geneval_folder(tmp_path / "own", LINES)
    asked = place.diversity("--batch", "2", "--out", tmp_path / "v.json", images=images)
    calls = watch(Features, "__call__", 1)
    calls.anew(stop_at=3)
    assert main(asked) == 130
    save(images / "00000" / "samples" / "0000.png")
    assert main(asked) == 0
    assert calls.asked == [2, 2, 2, 2, 1]  # the changed one and two more
    calls.anew(stop_at=2)
    assert main(asked) == 130
    (portion,) = (tmp_path / "v.json.partial").iterdir()
    portion.write_bytes(portion.read_bytes()[:-9])
    capsys.readouterr()
    calls.anew()
    assert main(asked) == 0
    assert f"{portion}: is damaged" in capsys.readouterr().err
    assert calls.asked == [2, 2, 2]
