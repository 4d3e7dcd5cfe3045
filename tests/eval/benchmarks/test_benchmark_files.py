"""The benchmarks' own files: read strictly, and GenEval's known by their checksums where they are at hand."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from on_disk import COLUMNS, LINES, questions, questions_file

from headtohead.eval.benchmarks import dpg, geneval
from headtohead.eval.benchmarks.geneval import prompts_hash
from headtohead.eval.benchmarks.published import GENEVAL, GENEVAL_NAMES, GENEVAL_PROMPTS, SHA256
from headtohead.eval.folders.images import FolderError
from headtohead.eval.judges.mask2former import class_names, names_hash


def test_the_official_files_of_geneval(capsys: pytest.CaptureFixture[str]) -> None:
    """HEADTOHEAD_GENEVAL=DIR, a folder that holds both."""
    folder = Path(os.environ.get("HEADTOHEAD_GENEVAL", "nowhere"))
    if not (folder / GENEVAL_PROMPTS).exists() or not (folder / GENEVAL_NAMES).exists():
        pytest.skip(f"set HEADTOHEAD_GENEVAL to a folder with {GENEVAL_PROMPTS} and {GENEVAL_NAMES}; from {GENEVAL}")
    names = class_names(folder / GENEVAL_NAMES, "--names")
    lines = geneval.prompts(folder / GENEVAL_PROMPTS, names)
    assert capsys.readouterr().err == ""  # both are the published ones
    assert (len(names), len(lines), len({line["prompt"] for line in lines})) == (80, 553, 553)
    assert Counter(line["tag"] for line in lines) == {
        "single_object": 80, "two_object": 99, "counting": 80, "colors": 94, "position": 100, "color_attr": 100,
    }  # fmt: skip
    assert prompts_hash(lines) == SHA256[GENEVAL_PROMPTS]
    assert names_hash(names) == SHA256[GENEVAL_NAMES]
    assert prompts_hash({k: line[k] for k in reversed(line)} for line in lines) == SHA256[GENEVAL_PROMPTS]
    assert prompts_hash(lines[1:]) != SHA256[GENEVAL_PROMPTS]


def test_files_of_the_official_name_and_other_content_are_said_to_be_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / GENEVAL_NAMES).write_text("dog\ncat\n")
    assert class_names(tmp_path / GENEVAL_NAMES, "--names") == ["dog", "cat"]
    assert "is not the published file" in capsys.readouterr().err


def test_names_and_prompts_are_text(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(FolderError, match=r"--names .*names.txt: is no text in UTF-8"):
        class_names(tmp_path / "names.txt", "--names")
    (tmp_path / "p.jsonl").write_text(f"{geneval.text(LINES[0])}\n{{}}\n")
    with pytest.raises(FolderError, match=r"p.jsonl: line 2: tag: expected one of"):
        geneval.prompts(tmp_path / "p.jsonl")


def test_questions_are_read_in_the_files_order(tmp_path: Path) -> None:
    """With a byte order mark and a text of several lines."""
    rows = [*questions("0", "1", item="b"), *questions("0", item="a")]
    rows[0][1] = "a text\nof lines"
    path = questions_file(tmp_path / "q.csv", rows)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    read = dpg.questions(path)
    assert {item: len(own) for item, own in read.items()} == {"b": 2, "a": 1}
    assert list(read) == ["b", "a"]
    assert read["b"][0]["text"] == "a text\nof lines"


def changed(column: str, value: str) -> list[list[str]]:
    rows = questions("0", "1")
    rows[1][COLUMNS.index(column)] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "holds no questions"),
        ([*questions("0"), ["p0", "short"]], "line 3: proposition_id is missing"),
        (changed("question_natural_language", " "), "line 3: question_natural_language is missing"),
        (changed("item_id", ""), "line 3: item_id is missing"),
        (changed("proposition_id", "1"), "line 3: proposition_id 1 of p0 stands there twice"),
        (changed("proposition_id", "0"), "line 3: proposition_id: 0 stands for no parent"),
        (changed("dependency", "1;2"), "line 3: dependency: '1;2' is no whole number"),
        (changed("text", "x" * 140_000), "line 3: field larger than field limit"),
        (questions("2", "3", "1"), r"p0: dependency: questions hang on themselves \("),
        (questions("1"), r"p0: dependency: questions hang on themselves \(1 -> 1\)"),
        ([[*questions("0")[0], "more"]], "line 2: holds more fields than there are columns"),
    ],
)
def test_what_is_wrong_with_questions_is_found_before_they_are_asked(
    rows: list[list[str]], says: str, tmp_path: Path
) -> None:
    with pytest.raises(FolderError, match=says) as error:
        dpg.questions(questions_file(tmp_path / "q.csv", rows))
    assert str(error.value).startswith(str(tmp_path / "q.csv"))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("item_id,text\np0,x\n")
    with pytest.raises(FolderError, match="no column proposition_id"):
        dpg.questions(tmp_path / "q.csv")
