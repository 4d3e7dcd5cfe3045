"""JSON on disk: one object a file, or one object a line; damage is named with its place. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from headtohead.utils.errors import InputError
from headtohead.utils.files import whole

Damage = dict[Path, str]  # damaged files of a results folder: what is wrong, and what was done without


class Check(Protocol):
    """What the lines of a log must hold: `all` of many lines at once, and what is `wrong` with a single one."""

    def all(self, lines: list[dict[str, Any]]) -> bool: ...

    def wrong(self, line: dict[str, Any]) -> str: ...


class RecordError(InputError):
    """A file of a results folder that cannot be read, with the place of what is wrong."""


def as_text(lines: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def write(path: Path, value: Any) -> None:
    """Write JSON to a temporary file and rename it, so that a reader sees the old file or the new one."""
    whole(path, (json.dumps(value, indent=1) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    out, wrong = parsed(path.read_bytes())
    if wrong:
        raise RecordError(f"{path}: the file {wrong}")
    return out


def parsed(raw: bytes) -> tuple[dict[str, Any], str]:
    """The object that some bytes hold, and what is wrong with them in words; one of the two is empty."""
    try:
        out = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        return {}, f"is not text: byte {error.start:,} is {raw[error.start]:#04x}"
    except json.JSONDecodeError as error:
        cut = error.msg.startswith("Unterminated") or not error.doc[error.pos :].strip()
        line = f" in line {error.lineno}" if "\n" in error.doc.strip() else ""
        column = f"{line}, column {error.colno}" if line else f" at character {error.colno}"
        return {}, f"is cut off{line}" if cut else f"is not JSON: {error.msg}{column}"
    except (ValueError, RecursionError):
        return {}, "is not JSON of a record: it holds a number that is too long, or nests too deeply"
    return (out, "") if isinstance(out, dict) else ({}, "does not hold a JSON object")


def read_lines(path: Path, damage: Damage | None = None, check: Check | None = None) -> list[dict[str, Any]]:
    """The objects of a log, one a line.

    path    a JSON-lines file
    damage  where given, damaged lines are left out and named in it; without it the first one is an error, except a
            last line without its end, which a kill leaves and which is left out
    check   what a line must hold
    """
    raw = path.read_bytes()
    if (lines := _at_once(raw)) is not None and (not check or check.all(lines)):
        return lines
    out, bad = list[dict[str, Any]](), list[str]()
    rows = raw.splitlines()
    for number, row in enumerate(rows, 1):
        line, wrong = parsed(row)
        if wrong and damage is None and number == len(rows) and not raw.endswith(b"\n"):
            break
        if wrong := f"line {number} {wrong}" if wrong else _checked(line, check, number):
            if damage is None:
                raise RecordError(f"{path}: {wrong}")
            bad.append(wrong)
        else:
            out.append(line)
    if damage is not None and bad:
        left = f"{len(bad)} of {len(rows)} lines {'is' if len(bad) == 1 else 'are'} left out"
        damage[path] = f"{bad[0]}; {left}"
    return out


def _checked(line: dict[str, Any], check: Check | None, number: int) -> str:
    wrong = check.wrong(line) if check else ""
    return f"line {number}: {wrong}" if wrong else ""


def _at_once(raw: bytes) -> list[dict[str, Any]] | None:
    """An undamaged log as one list, whose lines share their keys: a third of the memory, and faster."""
    try:
        lines = raw.decode().splitlines()
        out = json.loads(f"[{','.join(lines)}]")
    except ValueError:
        return None
    return out if len(out) == len(lines) and all(isinstance(line, dict) for line in out) else None
