"""JSON on disk: an object a file, or a log with one a line; read back with the place of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from headtohead.utils.errors import InputError
from headtohead.utils.files import whole


class RecordError(InputError):
    """A results folder that cannot be read, with the place."""


def as_text(lines: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def write(path: Path, value: Any) -> None:
    """JSON, written beside and renamed."""
    whole(path, (json.dumps(value, indent=1) + "\n").encode())


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: no text (byte {error.start:,} is {error.object[error.start]:#04x})") from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; a last line that a kill cut short is left out."""
    text = _text(path)
    if (lines := _at_once(text)) is not None:
        return lines
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            read = json.loads(line)
        except json.JSONDecodeError:
            if number == len(text.splitlines()) and not text.endswith("\n"):
                break
            raise RecordError(f"{path}: line {number} is no JSON") from None
        if not isinstance(read, dict):
            raise RecordError(f"{path}: line {number} is no object")
        out.append(read)
    return out


def _at_once(text: str) -> list[dict[str, Any]] | None:
    """An undamaged log as one list, whose lines share their keys: a third of the memory, and faster."""
    lines = text.splitlines()
    try:
        out = json.loads(f"[{','.join(lines)}]")
    except json.JSONDecodeError:
        return None
    return out if len(out) == len(lines) and all(isinstance(line, dict) for line in out) else None


def read_json(path: Path) -> dict[str, Any]:
    try:
        out = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise RecordError(f"{path}: no JSON ({error.msg}, line {error.lineno})") from None
    if not isinstance(out, dict):
        raise RecordError(f"{path}: holds no object")
    return out
