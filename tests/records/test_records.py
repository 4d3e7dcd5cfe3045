"""Records: append-only, whole or absent, readable after a kill, clear about damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from headtohead.records import ceilings
from headtohead.records.json_files import RecordError
from headtohead.records.layout import CONFIG, CURVE, PROMPTS, RESCORED
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder, Spent


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    r = Recorder(tmp_path / "sweep" / "clip_flow-0")
    r.begin({"design": {"head": "dit"}})
    for step in (1, 2, 3):
        values = {"geneval/overall": step / 10, "fid": 50.0 - step}
        at, n = Spent(step, 8 * step, 1e9 * step, 0.5 * step), {"geneval": 120, "fid": 180}
        r.append(at, values, n, representation="clip", judge="pixel-judge")
        r.prompts(step, "abc", [1.0, 0.0], {1: "expected star >= 1, found 0"})
    return r


def test_what_is_written_is_read_back(recorder: Recorder) -> None:
    (run,) = runs(recorder.folder.parents[1])
    assert (run.sweep, run.name, run.state["state"]) == ("sweep", "clip_flow-0", "unknown")
    lines = run.curve()
    first = [(line["step"], line["metric"], line["n"]) for line in lines[:2]]
    assert first == [(1, "geneval/overall", 120), (1, "fid", 180)]
    assert lines[-1] == {
        "step": 3, "samples": 24, "flops": 3e9, "seconds": 1.5, "metric": "fid", "value": 47.0, "ceiling": None,
        "relative": None, "n": 180, "judge": "pixel-judge", "mode": "world",
    }  # fmt: skip


def test_scores_stand_beside_their_ceiling(recorder: Recorder) -> None:
    score, distance = runs(recorder.folder)[0].curve()[-2:]
    assert score["ceiling"] == ceilings.measured()["ceilings"]["clip"]["geneval/overall"]
    assert score["relative"] == pytest.approx(0.3 / score["ceiling"])
    assert distance["relative"] is None


def test_an_exam_is_written_once_for_all_runs_of_a_sweep(recorder: Recorder) -> None:
    recorder.prompt_set("abc", [{"prompt": "a star", "task": "single_object", "seen": True}])
    path = recorder.folder.parent / "exams" / "abc.json"
    before = path.stat().st_mtime_ns
    recorder.prompt_set("abc", [])
    assert path.stat().st_mtime_ns == before
    assert len(runs(recorder.folder.parent)) == 1


def test_a_line_that_a_kill_cut_short_is_left_out(recorder: Recorder) -> None:
    path = recorder.folder / CURVE
    path.write_text(path.read_text()[:-20])
    assert len(runs(recorder.folder)[0].curve()) == 5


def test_behind_a_line_that_a_kill_cut_short_goes_on_the_next(recorder: Recorder) -> None:
    lines = [{"step": 3, "metric": "fid", "value": 50.0}]
    for text, before in (('{"step": 2, "met', 0), ('{"step": 2}\n{"st', 1), ('{"step": 2}', 1)):
        path = recorder.folder / RESCORED
        path.write_text(text)
        recorder.rescored({"guidance": 3}, lines)
        again = runs(recorder.folder)[0].lines(RESCORED)
        assert again == [{"step": 2}] * before + [{**lines[0], "how": {"guidance": 3}}]


def test_a_point_is_on_record_with_all_its_lines_or_with_none(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, or without space, at any byte: one line of a point would stand for all of it."""
    path, killed = recorder.folder / CURVE, list[int]()
    before, write = path.read_bytes(), Path.write_bytes

    def torn(self: Path, data: bytes) -> int:
        write(self, data[: killed[0]])
        raise KeyboardInterrupt

    def append() -> None:
        values, n = {f"geneval/{k}": 0.5 for k in range(9)}, {"geneval": 120}
        recorder.append(Spent(4, 32, 4e9, 2.0), values, n, representation="clip", judge="pixel-judge")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", torn)
        for at in (0, 100, len(before) + 300, len(before) + 700):
            killed[:] = [at]
            with pytest.raises(KeyboardInterrupt):
                append()
            assert path.read_bytes() == before
            assert not recorder.measured(4)
    append()
    assert [line["step"] for line in runs(recorder.folder)[0].curve()].count(4) == 9


def test_damage_elsewhere_is_named(recorder: Recorder) -> None:
    path = recorder.folder / CURVE
    path.write_text(path.read_text().replace('"step": 2', "step 2", 1))
    with pytest.raises(RecordError, match=r"curve\.jsonl: line 3 is not JSON"):
        runs(recorder.folder)[0].curve()
    (recorder.folder / CONFIG).write_text("{")
    with pytest.raises(RecordError, match=r"config\.json: the file is cut off"):
        runs(recorder.folder)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[]", "line 10 does not hold a JSON object"),
        ("{}", "line 10: step is None"),
        ('{"step": "x"}', "line 10: step is 'x'"),
    ],
)
def test_a_line_that_is_no_number_is_named(recorder: Recorder, line: str, says: str) -> None:
    path = recorder.folder / CURVE
    path.write_text(path.read_text() * 2)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:9]) + line + "\n")
    with pytest.raises(RecordError, match=says.replace("[", "\\[")):
        runs(recorder.folder)[0].curve()


def test_a_status_that_is_half_written_is_named(recorder: Recorder) -> None:
    (recorder.folder / "status.json").write_text('{"sta')
    with pytest.raises(RecordError, match=r"status\.json: the file is cut off"):
        runs(recorder.folder)
    (recorder.folder / "status.json").write_text("3")
    with pytest.raises(RecordError, match=r"status\.json: the file does not hold a JSON object"):
        runs(recorder.folder)


def test_what_lies_behind_a_checkpoint_is_forgotten(recorder: Recorder) -> None:
    recorder.cut(2)
    (run,) = runs(recorder.folder)
    assert [line["step"] for line in run.curve()] == [1, 1, 2, 2]
    assert [line["step"] for line in run.lines(PROMPTS)] == [1, 2]


def test_missing_and_empty_folders_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such folder"):
        runs(tmp_path / "nowhere")
    with pytest.raises(RecordError, match="no runs in it"):
        runs(tmp_path)
