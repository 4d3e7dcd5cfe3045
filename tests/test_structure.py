"""The house keeps its plan: few rooms a folder, short files, and tests that lie where their module lies."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("src/headtohead", "ablations")
MOST_ROOMS, MOST_LINES = 10, 250
DATA = {"weights", "files", "assets"}  # folders of files that are not modules


def folders() -> list[Path]:
    found = [p for package in PACKAGES for p in [ROOT / package, *(ROOT / package).rglob("*")] if p.is_dir()]
    return [p for p in found if not {"__pycache__", *DATA} & set(p.relative_to(ROOT).parts)]


def test_no_folder_has_more_than_ten_rooms() -> None:
    crowded = {}
    for folder in folders():
        rooms = [p.name for p in folder.iterdir() if p.name not in ("__init__.py", "__pycache__", "py.typed")]
        if len(rooms) > MOST_ROOMS:
            crowded[str(folder.relative_to(ROOT))] = sorted(rooms)
    assert not crowded


def test_no_file_is_longer_than_250_lines() -> None:
    files = [p for folder in folders() for p in folder.glob("*.py")]
    assert len(files) > 200
    assert not {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > MOST_LINES}


def test_tests_lie_in_the_folder_of_what_they_test() -> None:
    """tests/eval/folders/test_x.py tests src/headtohead/eval/folders; tests/ablations/... the study."""
    tested = {p.parent.relative_to(ROOT / "tests") for p in (ROOT / "tests").rglob("test_*.py")} - {Path()}
    strangers = [p for p in tested if not (ROOT / "src/headtohead" / p).is_dir() and not (ROOT / p).is_dir()]
    assert not strangers
