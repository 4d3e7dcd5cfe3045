"""Judges and folders, made once for all tests of headtohead.eval."""

from __future__ import annotations

import json
from pathlib import Path

import checkpoints
import pytest
from on_disk import LINES, Place, geneval_folder, questions, questions_file, save


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("eval")
    geneval_folder(root / "geneval")
    (root / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    (root / "names.txt").write_text("".join(f"class {k}\n" for k in range(80)))
    questions_file(root / "dpg.csv", [row for item in ("p0", "p1") for row in questions("0", "0", "2", item=item)])
    for item in ("p0", "p1"):
        save(root / "dpg" / f"{item}.png", 64)
    for category, many in (("animals", 30), ("art", 25)):
        for k in range(many):
            save(root / "mjhq" / category / f"{category}{k}.jpg")
            save(root / "made" / category / f"{category}{k}.jpg")
    return Place(
        root,
        checkpoints.mask2former(root / "detector"),
        checkpoints.blip(root / "blip"),
        checkpoints.inception(root / "inception"),
        checkpoints.clip(root / "clip"),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The packages' own warnings, in the tests that load their models."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and "place" in getattr(item, "fixturenames", ()):
            for kind in ("DeprecationWarning", "FutureWarning", "UserWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))
