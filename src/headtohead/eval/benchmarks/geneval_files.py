"""GenEval's own files: read strictly, and known by their checksums from whichever folder they come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from headtohead.eval.benchmarks.published import GENEVAL, GENEVAL_NAMES, GENEVAL_PROMPTS, SHA256
from headtohead.eval.folders import images
from headtohead.eval.folders.images import FolderError
from headtohead.eval.judges.colours import COLOURS
from headtohead.eval.judges.mask2former import names_hash
from headtohead.synthetic.prompts.short_prompts import TASKS
from headtohead.utils.boxes import RELATIONS
from headtohead.utils.cli import say

KEYS = ("tag", "include", "exclude", "prompt"), ("class", "count", "color", "position")  # of a line, of its items
Line = dict[str, Any]


def prompts(path: Path, names: Collection[str] = ()) -> list[Line]:
    """A JSON object a line."""
    out = []
    for number, row in enumerate(images.text(path).split("\n"), 1):
        try:
            if row.strip():
                out.append(line(row, names))
        except ValueError as error:
            raise FolderError(f"{path}: line {number}: {error}") from None
    _checked(path, GENEVAL_PROMPTS, exam(out))
    return out


def class_names(path: Path | None, flag: str) -> list[str]:
    """The 80 classes, in the order of the detector's."""
    if path is None:
        raise FolderError(f"{flag}: needs {GENEVAL_NAMES}, the detector's class names in order; from {GENEVAL}")
    names = [name.strip() for name in images.text(path, flag).split("\n") if name.strip()]
    _checked(path, GENEVAL_NAMES, names_hash(names))
    return names


def exam(lines: Iterable[Mapping[str, Any]]) -> str:
    """The sha256 of the prompts' file, from whichever folders the lines come."""
    return hashlib.sha256("".join(text(own) + "\n" for own in lines).encode()).hexdigest()


def text(own: Mapping[str, Any]) -> str:
    """A line as the published file writes it: only what is asked, in one order."""
    outer, inner = KEYS
    items = {k: [{i: item[i] for i in inner if i in item} for item in own[k]] for k in outer[1:3] if k in own}
    return json.dumps({k: items.get(k, own[k]) for k in outer if k in own})


def line(row: str, names: Collection[str] = ()) -> Line:
    """One line, held against all that the rules will read of it."""
    try:
        own = json.loads(row)
    except ValueError:
        raise ValueError("is no JSON") from None
    if not isinstance(own, dict):
        raise ValueError("is no object of tag, include and prompt")
    _one_of("tag", own.get("tag"), TASKS)
    if not isinstance(own.get("prompt"), str):
        raise ValueError(f"prompt: expected a text, got {json.dumps(own.get('prompt'))}")
    for key in ("include", "exclude"):
        items = own.get(key, [] if key == "exclude" else None)
        if not isinstance(items, list) or not (items or key == "exclude"):
            raise ValueError(f"{key}: expected a list of objects, got {json.dumps(items)}")
        for k, item in enumerate(items):
            _item(f"{key}[{k}]", item, k, names)
    return own


def _item(place: str, item: Any, earlier: int, names: Collection[str]) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("class"), str):
        raise ValueError(f"{place}: expected an object with class and count, got {json.dumps(item)[:60]}")
    if names and item["class"] not in names:
        raise ValueError(f"{place}.class: {item['class']!r} is not among the class names")
    if type(item.get("count")) is not int or item["count"] < 1:
        raise ValueError(f"{place}.count: expected a whole number from 1 on, got {json.dumps(item.get('count'))}")
    if "color" in item:
        _one_of(f"{place}.color", item["color"], COLOURS)
    if "position" in item:
        told = item["position"]
        if not isinstance(told, list) or len(told) != 2:
            raise ValueError(f"{place}.position: expected a relation and an item's number, got {json.dumps(told)}")
        _one_of(f"{place}.position", told[0], RELATIONS)
        if type(told[1]) is not int or not 0 <= told[1] < earlier:
            raise ValueError(f"{place}.position: {json.dumps(told[1])} is no earlier item of include")


def _one_of(place: str, given: Any, known: Collection[str]) -> None:
    if not isinstance(given, str) or given not in known:
        raise ValueError(f"{place}: expected one of {', '.join(known)}, got {json.dumps(given)}")


def _checked(path: Path, name: str, found: str) -> None:
    """Say so when a file has the official name and not the official content."""
    if path.name == name and found != SHA256[name]:
        say(f"eval: {path} is not the published file (its sha256 differs): scores will not compare with published ones")
