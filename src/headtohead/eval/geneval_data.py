"""GenEval's own files, which are not part of this package: where they come from, and whether they are unchanged."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from headtohead.command import say
from headtohead.eval import folders
from headtohead.eval.folders import FolderError

NAMES = "object_names.txt"
CHECKED = {
    "evaluation_metadata.jsonl": "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13",
    NAMES: "608f6a0e5c8ca1c7a92b818430141fe268c85b7930b50f4160f1d65893b5bacd",
}
WHERE = "https://github.com/djghosh13/geneval: prompts/evaluation_metadata.jsonl, evaluation/object_names.txt"


def prompts(path: Path) -> list[dict[str, Any]]:
    out = folders.lines(path)
    _checked(path)
    return out


def class_names(path: Path | None, flag: str) -> list[str]:
    """The 80 classes, in the order of the detector's."""
    if path is None:
        raise FolderError(f"{flag}: needs {NAMES}, the detector's class names in order; it is part of {WHERE}")
    try:
        names = path.read_text().split("\n")
    except OSError as error:
        raise FolderError(f"{flag} {path}: {error.strerror}") from None
    _checked(path)
    return [name.strip() for name in names if name.strip()]


def _checked(path: Path) -> None:
    """Say so when a file has the official name and not the official content."""
    want = CHECKED.get(path.name)
    if want and hashlib.sha256(path.read_bytes()).hexdigest() != want:
        say(f"eval: {path} is not the published file (its sha256 differs): scores will not compare with published ones")
