"""GenEval and DPG-Bench on a folder of pictures, by the rules that the library's own curves use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from headtohead.eval import dpg, folders, geneval
from headtohead.eval.folders import Asked, FolderError, Troubles
from headtohead.eval.result import Result, interval
from headtohead.eval.uncertainty import LABEL, over_prompts
from headtohead.eval.work import Done, Row, batches, digest, watched
from headtohead.judging import Answerer, ColourClassifier, Detection, Detector


@dataclass(frozen=True)
class How:
    """What a user chooses beside pictures and judge."""

    batch: int = 16  # pictures at once
    out: Path | None = None
    quiet: bool = False


def score_geneval(
    folder: Path,
    prompts: Sequence[dict[str, Any]] | None,
    detector: Detector,
    colours: ColourClassifier,
    judge: dict[str, Any],
    *,
    official: bool,
    mode: str,
    how: How,
    device: str,
) -> Result:
    troubles = Troubles()
    asked = folders.geneval(folder, prompts, troubles)
    done = Done(how.out, {"metric": "geneval", "judge": judge, "images": str(folder.resolve())})
    todo = [a for a in asked if a.id not in done.rows]
    groups = batches(todo, lambda a: len(a.pictures), how.batch)
    for group in watched(groups, lambda a: len(a.pictures), sum(len(a.pictures) for a in todo), how.quiet):
        rows: dict[str, Row] = {}
        pictures = []
        for a in group:
            own = Troubles()
            pictures += [(a, *pair) for pair in folders.read(a.pictures, own)]
            rows[a.id] = {**_row(a), "damaged": own.said}
        found = _detected([p.to(device) for _, _, p in pictures], detector, colours)
        for (a, path, picture), objects in zip(pictures, found, strict=True):
            v = geneval.verdict(a.line, objects)
            told = {"file": path.name, "size": _size(picture), "correct": v.correct, "why": "; ".join(v.reasons)}
            rows[a.id]["pictures"].append(told)
        done.add(rows.values())
    every = [done.rows[a.id] for a in asked]
    troubles.said += [line for row in every for line in row.pop("damaged")]
    rows_done = [row for row in every if row["pictures"]]
    if not rows_done:
        raise FolderError(f"--images {folder}: none of its pictures can be read; {troubles.said[-1]}")
    for row in rows_done:
        row["score"] = float(np.mean([p["correct"] for p in row["pictures"]]))
    verdicts = [geneval.Verdict(row["task"], p["correct"]) for row in rows_done for p in row["pictures"]]
    any_of = [geneval.Verdict(row["task"], row["score"] > 0) for row in rows_done]
    scores = geneval.scores(verdicts) | {"any picture of a prompt": geneval.scores(any_of)["overall"]}
    tasks = [row["task"] for row in rows_done]
    kinds = sorted(set(tasks))
    spans = {"overall": over_prompts([r["score"] for r in rows_done], [kinds.index(t) for t in tasks])}
    spans |= {t: over_prompts([r["score"] for r in rows_done if r["task"] == t]) for t in kinds}
    done.finish()
    return Result(
        "geneval",
        mode,
        judge,
        str(folder),
        scores,
        {name: interval(span) for name, span in spans.items()},
        LABEL,
        {"overall": len(verdicts), **{t: sum(v.tag == t for v in verdicts) for t in kinds}},
        official and not troubles.said and len(asked) == 553,
        sorted({p["size"] for row in rows_done for p in row["pictures"]}),
        exam=digest([[r["prompt"], r["task"]] for r in rows_done]),
        prompts=rows_done,
        troubles=troubles.said,
    )


def _row(a: Asked) -> Row:
    return {"id": a.id, "prompt": a.prompt, "task": a.line["tag"], "pictures": []}


def _size(picture: Tensor) -> str:
    return f"{picture.shape[2]}x{picture.shape[1]}"


def _detected(
    pictures: list[Tensor], detector: Detector, colours: ColourClassifier
) -> list[list[tuple[Detection, str]]]:
    out: list[list[tuple[Detection, str]]] = [[] for _ in pictures]
    for rows, batch in folders.stacked(pictures):
        found = detector.detect(batch)
        named = colours.colours(batch, found)
        for k, objects, names in zip(rows, found, named, strict=True):
            out[k] = list(zip(objects, names, strict=True))
    return out


def score_dpg(
    folder: Path,
    questions: dict[str, tuple[dpg.Row, ...]],
    answerer: Answerer,
    judge: dict[str, Any],
    *,
    tiles: int,
    modes: tuple[dpg.Mode, ...],
    official: bool,
    how: How,
) -> list[Result]:
    """A result for each mode, from one round of questions."""
    troubles = Troubles()
    asked = folders.dpg(folder, questions, troubles)
    done = Done(how.out, {"metric": "dpg", "judge": judge, "images": str(folder.resolve()), "tiles": tiles})
    todo = [a for a in asked if a.id not in done.rows]
    for (a,) in watched(batches(todo, lambda a: 1, 1), lambda a: 1, len(todo), how.quiet):
        for path, picture in folders.read(a.pictures, troubles):
            try:
                parts = folders.crops(picture, tiles, path)
            except FolderError as error:
                troubles.said.append(str(error))
                continue
            texts = [row["question_natural_language"] for row in a.rows]
            said = answerer.answers(parts, [texts] * len(parts))
            done.add([{"id": a.id, "prompt": a.prompt, "size": _size(parts[0]), "answers": said}])
    kept = [a for a in asked if a.id in done.rows]
    if not kept:
        raise FolderError(f"--images {folder}: none of its pictures can be scored; {troubles.said[-1]}")
    first = next(iter(questions))  # of the file: the official scorer loses its first row
    sizes = {done.rows[a.id]["size"] for a in kept}
    results = [_dpg_result(kept, done.rows, first, mode) for mode in modes]
    done.finish()
    whole = official and not troubles.said and len(asked) == 1065
    exam = digest([[a.id, a.prompt] for a in kept])
    for result in results:
        result.images, result.judge, result.picture_size = str(folder), judge, sorted(sizes)
        result.comparable_to_published = whole and result.mode == "official"
        result.exam, result.troubles = exam, troubles.said
    return results


def _dpg_result(asked: list[Asked], answers: dict[str, Row], first: str, mode: dpg.Mode) -> Result:
    graded: dict[str, list[dpg.Graded]] = {}
    dropped = []
    for a in asked:
        lost = 1 if mode == "official" and a.id == first else 0
        try:
            graded[a.id] = [dpg.grade(a.rows[lost:], said[lost:], mode) for said in answers[a.id]["answers"]]
        except dpg.Lost as error:
            dropped.append(f"{a.id} is dropped, as the official scorer does: {error}")
    if not graded:
        raise FolderError(f"{first}: no prompt is left to score")
    scores = {item: float(np.mean([g.score for g in pictures])) for item, pictures in graded.items()}
    rows: list[Row] = [{"id": a.id, "prompt": a.prompt, "score": scores[a.id]} for a in asked if a.id in scores]
    return Result(
        "dpg",
        mode,
        {},
        "",
        dpg.by_prompt(graded.values(), mode, subcategories=True),
        {"overall": interval(over_prompts(list(scores.values())))},
        LABEL,
        {"overall": len(rows)},
        False,
        [],
        prompts=rows,
        notes=dropped,
    )
