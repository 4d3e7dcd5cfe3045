"""Score a folder of images by GenEval's or DPG-Bench's rules, with the code that points of a curve use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import Tensor

from headtohead.eval.benchmarks.base import Benchmark, Item, Judged, Judges, Listed, with_differences
from headtohead.eval.folders import images
from headtohead.eval.folders.images import FolderError, Troubles
from headtohead.eval.folders.result import Result, interval, packages
from headtohead.eval.folders.resume import FinishedRows, How, Row, batches, digest, with_progress
from headtohead.eval.folders.uncertainty import LABEL, over_prompts
from headtohead.eval.judges.base import Answerer
from headtohead.pretrained.loading.by_name import Identity

if TYPE_CHECKING:
    from headtohead.eval.benchmarks.dpg import Dpg, Mode


class KnownAnswerer(Answerer, Protocol):
    identity: Identity


@dataclass(frozen=True)
class Verdict:
    """The score of one image, read back from a row."""

    task: str
    score: float


def by_picture(benchmark: Benchmark, listed: Listed, judges: Judges, settings: dict[str, Any], how: How) -> Result:
    """Score each image by itself: scores of tasks, `overall`, and of prompts with any correct image.

    benchmark  whose rules apply
    listed     prompts with their images
    judges     by role, each with its identity
    settings   of the judges, beside their weights
    how        options of scoring
    """
    items, troubles = listed.items, Troubles([*listed.troubles.lines])
    judge = {role: own.identity.plain() for role, own in judges.items()}
    head = {"metric": benchmark.name, "judge": judge, "settings": settings, "packages": packages()}
    done = FinishedRows(how.out, head, {item.id: _hash(item) for item in items})
    todo = [item for item in items if item.id not in done.rows]
    total, left = (sum(map(_pictures, part)) for part in (items, todo))
    groups = batches(todo, how.batch, _pictures)
    for group in with_progress(groups, total, how, size=_pictures, done=total - left):
        done.add(_verdicts(benchmark, group, judges, how.device))
    every = [done.rows[item.id] for item in items]
    troubles.lines += [line for row in every for line in row["damaged"]]
    rows = [
        {**{k: v for k, v in row.items() if k != "damaged"}, "score": float(np.mean([p["correct"] for p in own]))}
        for row in every
        if (own := row["pictures"])
    ]
    if not rows:
        raise FolderError(f"--images {listed.folder}: none of its pictures can be read; {troubles.lines[-1]}")
    verdicts = [Verdict(row["task"], p["correct"]) for row in rows for p in row["pictures"]]
    any_of = [Verdict(row["task"], row["score"] > 0) for row in rows]
    tasks = [row["task"] for row in rows]
    kinds = sorted(set(tasks))
    spans = {"overall": over_prompts([r["score"] for r in rows], [kinds.index(t) for t in tasks])}
    spans |= {t: over_prompts([r["score"] for r in rows if r["task"] == t]) for t in kinds}
    scored = {row["id"] for row in rows}
    whole, best = benchmark.scores(items, verdicts), benchmark.scores(items, any_of)
    result = Result(
        metric=benchmark.name,
        mode="official",
        judge=judge,
        settings=settings,
        images=str(listed.folder),
        scores=whole | {"any picture of a prompt": best["overall"]},
        intervals={name: interval(span) for name, span in spans.items()},
        interval_is=LABEL,
        n={"overall": len(verdicts), **{t: sum(v.task == t for v in verdicts) for t in kinds}},
        picture_size=sorted({p["size"] for row in rows for p in row["pictures"]}),
        exam=benchmark.identify(item for item in items if item.id in scored),
        prompts=rows,
        troubles=troubles.lines,
    )
    return with_differences(result, benchmark.differences(result))


def _pictures(item: Item) -> int:
    return len(item.files)


def _hash(item: Item) -> str:
    """A hash of the prompt and images that a row depends on."""
    return digest([item.prompt, item.rule, [images.stamp(path) for path in item.files]])


def _verdicts(benchmark: Benchmark, group: list[Item], judges: Judges, device: str) -> list[Row]:
    rows: list[Row] = []
    shown: list[tuple[Row, Item, Path, Tensor]] = []
    for item in group:
        own = Troubles()
        row: Row = {"id": item.id, "prompt": item.prompt, "task": item.task, "pictures": [], "damaged": own.lines}
        shown += [(row, item, *pair) for pair in images.read(item.files, own)]
        rows.append(row)
    judged = _judged(benchmark, [item for _, item, *_ in shown], [p.to(device) for *_, p in shown], judges)
    for (row, _, path, picture), found in zip(shown, judged, strict=True):
        row["pictures"].append(
            {
                "file": path.name,
                "sha256": images.content(path),
                "size": images.size(picture),
                "correct": bool(found.score),
                "why": getattr(found, "reason", ""),
            }
        )
    return rows


def _judged(benchmark: Benchmark, items: list[Item], pictures: list[Tensor], judges: Judges) -> list[Judged]:
    """Judge images of any sizes, in batches of one size."""
    out: dict[int, Judged] = {}
    for rows, batch in images.stacked(pictures):
        out |= zip(rows, benchmark.judge([items[k] for k in rows], batch, judges), strict=True)
    return [out[k] for k in range(len(pictures))]


def by_answers(
    benchmark: Dpg, listed: Listed, answerer: KnownAnswerer, *, tiles: int, modes: Sequence[Mode], how: How
) -> list[Result]:
    """Score images by answers to questions; a result for each mode, from the same answers.

    benchmark  DPG-Bench
    listed     prompts with their images
    answerer   answers questions about images
    tiles      images in a file: a square grid, or one
    modes      official (with its bugs) or fixed
    how        options of scoring
    """
    items, troubles = listed.items, Troubles([*listed.troubles.lines])
    judge, settings = {"answerer": answerer.identity.plain()}, {"tiles": tiles}
    head = {"metric": benchmark.name, "judge": judge, "settings": settings, "packages": packages()}
    done = FinishedRows(how.out, head, {item.id: _hash(item) for item in items})
    todo = [item for item in items if item.id not in done.rows]
    for (item,) in with_progress(batches(todo, 1), len(items), how, done=len(items) - len(todo)):
        for path, picture in images.read(item.files, troubles):
            try:
                parts = images.crops(picture, tiles, path)
            except FolderError as error:
                troubles.lines.append(str(error))
                continue
            texts = [row["question_natural_language"] for row in item.rule]
            answers = answerer.answers(parts, [texts] * len(parts))
            done.add([{"id": item.id, "size": images.size(parts[0]), "answers": answers}])
    kept = [item for item in items if item.id in done.rows]
    if not kept:
        raise FolderError(f"--images {listed.folder}: none of its pictures can be scored; {troubles.lines[-1]}")
    results = []
    for mode in modes:
        graded, notes = benchmark.graded(kept, {i: row["answers"] for i, row in done.rows.items()}, listed.first, mode)
        if not graded:
            raise FolderError(f"--images {listed.folder}: no prompt is left to score; {notes[0]}")
        by_item = {item: float(np.mean([g.score for g in own])) for item, own in graded.items()}
        result = Result(
            metric=benchmark.name,
            mode=mode,
            judge=judge,
            settings=settings,
            images=str(listed.folder),
            scores=benchmark.by_prompt(list(graded.values()), mode, subcategories=True),
            intervals={"overall": interval(over_prompts(list(by_item.values())))},
            interval_is=LABEL,
            n={"overall": len(by_item)},
            picture_size=sorted({done.rows[item.id]["size"] for item in kept}),
            exam=benchmark.identify(item for item in kept if item.id in by_item),
            prompts=[{"id": i.id, "prompt": i.prompt, "score": by_item[i.id]} for i in kept if i.id in by_item],
            troubles=troubles.lines,
            notes=notes,
        )
        results.append(with_differences(result, benchmark.differences(result)))
    return results
