"""Read folders in the official layouts: the images of each prompt, and what is missing, repeated or misplaced.

GenEval     NNNNN/metadata.jsonl, NNNNN/samples/*.png
DPG-Bench   <item_id>.png, a grid of 2 x 2 or one picture
MJHQ-30k    <category>/<name>.jpg beside meta_data.json
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headtohead.eval.benchmarks import geneval as geneval_rules
from headtohead.eval.benchmarks.base import Item, Listed
from headtohead.eval.benchmarks.dpg import Row
from headtohead.eval.benchmarks.published import MJHQ_META
from headtohead.eval.folders import images
from headtohead.eval.folders.images import FolderError, Troubles
from headtohead.eval.judges.colours import COLOURS

SAMPLE = re.compile(r"\d+\.png")  # files that the official scorer reads


@dataclass(frozen=True)
class Sorted:
    """The images of a folder with their categories; "" without categories."""

    folder: Path
    categories: dict[Path, str]
    troubles: Troubles


def _folder(folder: Path, flag: str = "--images") -> Path:
    if not folder.is_dir():
        raise FolderError(f"{flag} {folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    return folder


def geneval(
    folder: Path,
    prompts: Sequence[dict[str, Any]] | None = None,
    names: Collection[str] = (),
    colours: Collection[str] = COLOURS,
) -> Listed:
    """Numbered folders with metadata.jsonl and samples.

    folder   in that layout
    prompts  lines that need a folder each; None accepts any lines
    names    class names that lines may use; empty accepts any
    colours  that lines may use
    """
    troubles, out = Troubles(), list[Item]()
    due = Counter(geneval_rules.text(line) for line in prompts or ())
    met = dict[str, list[str]]()
    for own in sorted(p for p in _folder(folder).iterdir() if p.is_dir()):
        path = own / "metadata.jsonl"
        if not own.name.isdigit():
            if path.exists():
                troubles.add(own, "is not numbered (00000, 00001, ...)")
            continue
        try:
            line = geneval_rules.line(images.text(path), names, colours)
        except FolderError as error:
            troubles.lines.append(str(error))
            continue
        except ValueError as error:
            troubles.add(path, f"is no line of GenEval's ({error})")
            continue
        asks = geneval_rules.text(line)
        if prompts is not None and asks not in due:
            troubles.add(path, "asks nothing that --prompts holds, and does not count")
            continue
        if len(before := met.setdefault(asks, [])) >= (due[asks] if prompts is not None else 1):
            troubles.add(path, f"asks what {before[0]} asks, and does not count")
            continue
        before.append(own.name)
        if samples := _samples(own / "samples", troubles):
            out.append(Item(own.name, line["prompt"], line, line["tag"], files=samples))
    for asks, many in due.items():
        for _ in range(many - len(met.get(asks, ()))):
            troubles.add(folder, f"no pictures of {json.loads(asks)['prompt']!r}")
    most = max((len(a.files) for a in out), default=0)
    for a in out:
        if len(a.files) < most:
            troubles.add(folder / a.id / "samples", f"pictures: {len(a.files)}, where other prompts have {most}")
    return Listed(folder, _some(out, folder, "numbered folders with metadata.jsonl and samples/", troubles), troubles)


def _samples(folder: Path, troubles: Troubles) -> tuple[Path, ...]:
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    out = tuple(p for p in there if SAMPLE.fullmatch(p.name) and p.is_file())
    for path in there:
        if path not in out and images.is_picture(path):
            troubles.add(path, "is no sample (0000.png, 0001.png, ...), and does not count")
    if not out:
        troubles.add(folder, "holds no pictures (0000.png, 0001.png, ...)")
    return out


def dpg(folder: Path, asked: Mapping[str, tuple[Row, ...]]) -> Listed:
    """The image of each item, by the name of its file.

    folder  in DPG-Bench's layout
    asked   questions by item
    """
    troubles = Troubles()
    there = _once(images.listed(_folder(folder), troubles), troubles)
    for name in sorted(set(there) - set(asked)):
        troubles.add(there[name], "answers no prompt")
    for item in asked:
        if item not in there:
            troubles.add(folder, f"no picture of {item}")
    found = [
        Item(i, rows[0].get("text", ""), rows, "dpg", files=(there[i],)) for i, rows in asked.items() if i in there
    ]
    found = _some(found, folder, "pictures named after items (item.png)", troubles)
    return Listed(folder, found, troubles, next(iter(asked)))


def mjhq(folder: Path, meta: Mapping[str, str] | None = None, flag: str = "--images") -> Sorted:
    """Images by category.

    folder  with MJHQ-30k's folders, or flat
    meta    categories by name, as `categories` reads them; other images are not counted
    flag    the option that names the folder, for errors
    """
    troubles, out = Troubles(), dict[Path, str]()
    flat = list(_once(images.listed(_folder(folder, flag), troubles), troubles).values())
    for own in sorted(p for p in folder.iterdir() if p.is_dir() and p.suffix.lower() not in images.ENDINGS):
        out |= dict.fromkeys(_once(images.listed(own, troubles), troubles).values(), own.name)
    if out and meta is None:
        for path in flat:
            troubles.add(path, "lies outside the categories, and does not count")
    else:
        out |= dict.fromkeys(flat, "")
    if meta is not None:
        out = _named(out, meta, folder, troubles)
    if not out:
        more = f"; {troubles.lines[0]}" if troubles.lines else ""
        raise FolderError(f"{flag} {folder}: holds no pictures, nor folders of them{more}")
    return Sorted(folder, out, troubles)


def _named(found: dict[Path, str], meta: Mapping[str, str], folder: Path, troubles: Troubles) -> dict[Path, str]:
    """The images that meta_data.json names, with the categories it gives."""
    out = {}
    for name, path in _once(list(found), troubles).items():
        if name not in meta:
            troubles.add(path, f"is not in {MJHQ_META}, and does not count")
        elif found[path] not in ("", meta[name]):
            troubles.add(path, f"belongs to {meta[name]} by {MJHQ_META}, and does not count")
        else:
            out[path] = meta[name]
    met = {path.stem for path in out}
    for name in meta:
        if name not in met:
            troubles.add(folder, f"no picture {name}")
    return out


def _once(paths: Sequence[Path], troubles: Troubles) -> dict[str, Path]:
    """Files by name without extension; of two files with one name, the first is used."""
    out: dict[str, Path] = {}
    for path in paths:
        if path.stem in out:
            troubles.add(path, f"has the name of {out[path.stem].name}, and does not count")
        else:
            out[path.stem] = path
    return out


def categories(path: Path) -> dict[str, str]:
    """Read meta_data.json of MJHQ-30k: categories by name."""
    try:
        read = json.loads(images.text(path))
        return {name: str(row["category"]) for name, row in read.items()}
    except FolderError:
        raise
    except (ValueError, AttributeError, TypeError, KeyError):
        raise FolderError(f"{path}: is no object of names with their category") from None


def _some(found: list[Item], folder: Path, wanted: str, troubles: Troubles) -> list[Item]:
    if not found:
        more = f"; {troubles.lines[0]}" if troubles.lines else ""
        raise FolderError(f"--images {folder}: holds no {wanted}{more}")
    return found
