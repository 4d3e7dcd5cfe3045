"""DPG-Bench's file of questions: read strictly, since a lost row moves a score."""

from __future__ import annotations

import csv
import io
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from headtohead.eval import pictures
from headtohead.eval.dpg import Row, parents
from headtohead.eval.pictures import FolderError

COLUMNS = ("item_id", "proposition_id", "dependency", "tuple", "question_natural_language")


def questions(path: Path) -> dict[str, tuple[Row, ...]]:
    """By item, in the file's order."""
    table = csv.DictReader(io.StringIO(pictures.text(path), newline=""))
    out: dict[str, list[Row]] = {}
    try:
        if missing := [c for c in COLUMNS if c not in (table.fieldnames or ())]:
            raise FolderError(f"{path}: no column {missing[0]}")
        for row in table:
            _checked(row, f"{path}: line {table.line_num}")
            own = out.setdefault(row["item_id"], [])
            if row["proposition_id"] in {other["proposition_id"] for other in own}:
                told = f"proposition_id {row['proposition_id']} of {row['item_id']} stands there twice"
                raise FolderError(f"{path}: line {table.line_num}: {told}")
            own.append({name: value for name, value in row.items() if isinstance(value, str)})
    except csv.Error as error:
        raise FolderError(f"{path}: line {table.line_num + 1}: {error}") from None
    if not out:
        raise FolderError(f"{path}: holds no questions")
    for item, rows in out.items():
        _acyclic(rows, f"{path}: {item}")
    return {item: tuple(own) for item, own in out.items()}


def _checked(row: dict[str, str | None], place: str) -> None:
    for column in COLUMNS:
        if not (row[column] or "").strip():
            raise FolderError(f"{place}: {column} is missing")
    if None in row:
        raise FolderError(f"{place}: holds more fields than there are columns")
    for column in ("proposition_id", "dependency"):
        told = (row[column] or "").split(",") if column == "dependency" else [row[column] or ""]
        if not all(part.strip().isdecimal() for part in told):
            raise FolderError(f"{place}: {column}: {row[column]!r} is no whole number")
    row["proposition_id"] = str(int(row["proposition_id"] or ""))
    if row["proposition_id"] == "0":
        raise FolderError(f"{place}: proposition_id: 0 stands for no parent")


def _acyclic(rows: list[Row], place: str) -> None:
    """Before anything is answered: such questions have no score."""
    try:
        TopologicalSorter({int(row["proposition_id"]): parents(row) for row in rows}).prepare()
    except CycleError as error:
        circle = " -> ".join(str(number) for number in error.args[1])
        raise FolderError(f"{place}: dependency: questions hang on themselves ({circle})") from None
