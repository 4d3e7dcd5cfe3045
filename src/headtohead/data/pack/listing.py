"""The pictures of a folder with their captions, from text files beside them or from one CSV or JSONL file."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headtohead.data.shards.members import PICTURES
from headtohead.utils.cli import say
from headtohead.utils.errors import InputError

SHOWN = 20  # problems that are printed


@dataclass(frozen=True)
class Picture:
    """A picture file and its captions."""

    path: Path
    captions: tuple[str, ...]


def listed(folder: Path, captions: Path | None = None, skip: bool = False) -> list[Picture]:
    """The pictures of a folder with their captions, sorted by path.

    captions  CSV or JSONL with `file` (relative to the folder) and `caption`; text files beside the pictures when None
    skip      leave out what has no caption instead of raising
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    problems: list[str] = []
    found = _from_file(folder, captions, problems) if captions else _from_texts(folder, problems)
    refuse(problems, skip)
    if not found:
        raise InputError(f"{folder}: no picture with a caption ({', '.join(PICTURES)}, with a .txt of the same name)")
    return [Picture(path, found[path]) for path in sorted(found)]


def _from_texts(folder: Path, problems: list[str]) -> dict[Path, tuple[str, ...]]:
    by_stem: dict[Path, list[Path]] = {}
    texts = set()
    for where, _, names in os.walk(folder):
        for path in (Path(where) / name for name in names if not name.startswith(".")):
            if path.suffix.lower().lstrip(".") in PICTURES:
                by_stem.setdefault(path.with_suffix(""), []).append(path)
            elif path.suffix == ".txt":
                texts.add(path)
    found: dict[Path, tuple[str, ...]] = {}
    for stem, pictures in sorted(by_stem.items()):
        text = stem.with_name(f"{stem.name}.txt")
        if len(pictures) > 1:
            both = " and ".join(sorted(p.name for p in pictures))
            problems.append(f"{pictures[0].parent}: {both} have the same name, so {text.name} belongs to either")
        elif text not in texts:
            problems.append(f"{pictures[0]}: no caption ({text.name})")
        elif caption := _text(text).strip():
            found[pictures[0]] = (caption,)
        else:
            problems.append(f"{text}: empty caption")
    problems += [f"{text}: no picture of this name" for text in sorted(texts) if text.with_suffix("") not in by_stem]
    return found


def _from_file(folder: Path, file: Path, problems: list[str]) -> dict[Path, tuple[str, ...]]:
    found: dict[Path, tuple[str, ...]] = {}
    for where, name, captions in _rows(file):
        path = Path(os.path.normpath(folder / name))
        if path.suffix.lower().lstrip(".") not in PICTURES:
            problems.append(f"{where}: {name}: not a picture ({', '.join(PICTURES)})")
        elif not path.is_file():
            problems.append(f"{where}: {path}: no such file")
        elif not captions or not all(captions):
            problems.append(f"{where}: {name}: empty caption")
        elif again := set(captions) & set(found.get(path, ())):
            problems.append(f"{where}: {name}: the same caption twice ({again.pop()[:60]!r})")
        else:
            found[path] = (*found.get(path, ()), *captions)
    return found


def _rows(file: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Place, picture and captions of each line."""
    text = _text(file)
    if file.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        for column in ("file", "caption"):
            if column not in (reader.fieldnames or ()):
                raise InputError(f"{file}: no column {column}, only {', '.join(reader.fieldnames or ('none',))}")
        for row in reader:
            yield f"{file}:{reader.line_num}", row["file"] or "", [(row["caption"] or "").strip()]
        return
    if file.suffix != ".jsonl":
        raise InputError(f"{file}: expected .csv or .jsonl")
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield _line(f"{file}:{number}", line)


def _line(where: str, line: str) -> tuple[str, str, list[str]]:
    try:
        row = json.loads(line)
        captions = row["caption"] if isinstance(row["caption"], list) else [row["caption"]]
        return where, row["file"] + "", [caption.strip() for caption in captions]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError(f'{where}: expected {{"file": "cat.jpg", "caption": "a cat"}}, got {line[:80]}') from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None


def refuse(problems: list[str], skip: bool) -> None:
    """Raise with the first problem; with `skip`, print them instead."""
    if problems and not skip:
        more = f", and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        raise InputError(f"{problems[0]}{more}; SKIP=1 (--skip) leaves out what cannot be packed")
    for problem in problems[:SHOWN]:
        say(f"pack: left out: {problem}")
    if len(problems) > SHOWN:
        say(f"pack: left out: {len(problems) - SHOWN:,} more")
