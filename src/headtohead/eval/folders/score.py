"""GenEval and DPG-Bench on a folder of pictures, by the rules that the library's own curves use."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from headtohead.eval.benchmarks import dpg, geneval, geneval_files
from headtohead.eval.benchmarks.published import held_against
from headtohead.eval.folders import images
from headtohead.eval.folders.images import FolderError, Troubles
from headtohead.eval.folders.layouts import Asked, Listed
from headtohead.eval.folders.result import Result, interval, packages
from headtohead.eval.folders.resume import Done, How, Row, batches, digest, watched
from headtohead.eval.folders.uncertainty import LABEL, over_prompts
from headtohead.eval.judges.base import Answerer
from headtohead.eval.judges.colours import ClipColours
from headtohead.eval.judges.mask2former import Mask2Former
from headtohead.pretrained.loading.by_name import Identity
from headtohead.utils.boxes import Detection


class KnownAnswerer(Answerer, Protocol):
    identity: Identity


def score_geneval(listed: Listed, detector: Mask2Former, colours: ClipColours, *, how: How, device: str) -> Result:
    asked, troubles = listed.prompts, Troubles([*listed.troubles.said])
    judge = {"detector": detector.identity.plain(), "colours": colours.identity.plain()}
    head = {"metric": "geneval", "judge": judge, "settings": detector.settings, "packages": packages()}
    done = Done(how.out, head, {a.id: _made_of(a) for a in asked})
    todo = [a for a in asked if a.id not in done.rows]
    total, left = (sum(map(_pictures, part)) for part in (asked, todo))
    groups = batches(todo, how.batch, _pictures)
    for group in watched(groups, total, how, size=_pictures, done=total - left):
        done.add(_verdicts(group, detector, colours, device))
    every = [done.rows[a.id] for a in asked]
    troubles.said += [line for row in every for line in row["damaged"]]
    rows = [
        {**{k: v for k, v in row.items() if k != "damaged"}, "score": float(np.mean([p["correct"] for p in told]))}
        for row in every
        if (told := row["pictures"])
    ]
    if not rows:
        raise FolderError(f"--images {listed.folder}: none of its pictures can be read; {troubles.said[-1]}")
    verdicts = [geneval.Verdict(row["task"], p["correct"]) for row in rows for p in row["pictures"]]
    any_of = [geneval.Verdict(row["task"], row["score"] > 0) for row in rows]
    tasks = [row["task"] for row in rows]
    kinds = sorted(set(tasks))
    spans = {"overall": over_prompts([r["score"] for r in rows], [kinds.index(t) for t in tasks])}
    spans |= {t: over_prompts([r["score"] for r in rows if r["task"] == t]) for t in kinds}
    scored = {row["id"] for row in rows}
    return held_against(
        Result(
            metric="geneval",
            mode="official",
            judge=judge,
            settings=detector.settings,
            images=str(listed.folder),
            scores=geneval.scores(verdicts) | {"any picture of a prompt": geneval.scores(any_of)["overall"]},
            intervals={name: interval(span) for name, span in spans.items()},
            interval_is=LABEL,
            n={"overall": len(verdicts), **{t: sum(v.tag == t for v in verdicts) for t in kinds}},
            picture_size=sorted({p["size"] for row in rows for p in row["pictures"]}),
            exam=geneval_files.exam(a.line for a in asked if a.id in scored),
            prompts=rows,
            troubles=troubles.said,
        )
    )


def _pictures(a: Asked) -> int:
    return len(a.pictures)


def _made_of(a: Asked) -> str:
    """Everything of a prompt that its row depends on."""
    return digest([a.prompt, a.line, a.rows, [images.stamp(path) for path in a.pictures]])


def _verdicts(group: list[Asked], detector: Mask2Former, colours: ClipColours, device: str) -> list[Row]:
    rows: list[Row] = []
    shown: list[tuple[Row, Asked, Path, Tensor]] = []
    for a in group:
        own = Troubles()
        row: Row = {"id": a.id, "prompt": a.prompt, "task": a.line["tag"], "pictures": [], "damaged": own.said}
        shown += [(row, a, *pair) for pair in images.read(a.pictures, own)]
        rows.append(row)
    found = _detected([p.to(device) for *_, p in shown], detector, colours)
    for (row, a, path, picture), objects in zip(shown, found, strict=True):
        v = geneval.verdict(a.line, objects)
        row["pictures"].append(
            {
                "file": path.name,
                "sha256": images.content(path),
                "size": images.size(picture),
                "correct": v.correct,
                "why": "; ".join(v.reasons),
            }
        )
    return rows


def _detected(shown: list[Tensor], detector: Mask2Former, colours: ClipColours) -> list[list[tuple[Detection, str]]]:
    out: list[list[tuple[Detection, str]]] = [[] for _ in shown]
    for rows, batch in images.stacked(shown):
        found = detector.detect(batch)
        named = colours.colours(batch, found)
        for k, objects, names in zip(rows, found, named, strict=True):
            out[k] = list(zip(objects, names, strict=True))
    return out


def score_dpg(
    listed: Listed, answerer: KnownAnswerer, *, tiles: int, modes: tuple[dpg.Mode, ...], how: How
) -> list[Result]:
    """A result for each mode, from one round of questions."""
    asked, troubles = listed.prompts, Troubles([*listed.troubles.said])
    judge, settings = {"answerer": answerer.identity.plain()}, {"tiles": tiles}
    head = {"metric": "dpg", "judge": judge, "settings": settings, "packages": packages()}
    done = Done(how.out, head, {a.id: _made_of(a) for a in asked})
    todo = [a for a in asked if a.id not in done.rows]
    for (a,) in watched(batches(todo, 1), len(asked), how, done=len(asked) - len(todo)):
        for path, picture in images.read(a.pictures, troubles):
            try:
                parts = images.crops(picture, tiles, path)
            except FolderError as error:
                troubles.said.append(str(error))
                continue
            texts = [row["question_natural_language"] for row in a.rows]
            said = answerer.answers(parts, [texts] * len(parts))
            done.add([{"id": a.id, "size": images.size(parts[0]), "answers": said}])
    kept = [a for a in asked if a.id in done.rows]
    if not kept:
        raise FolderError(f"--images {listed.folder}: none of its pictures can be scored; {troubles.said[-1]}")
    results = []
    for mode in modes:
        graded, notes = _graded(kept, done.rows, listed.first, mode)
        if not graded:
            raise FolderError(f"--images {listed.folder}: no prompt is left to score; {notes[0]}")
        scores = {item: float(np.mean([g.score for g in own])) for item, own in graded.items()}
        result = Result(
            metric="dpg",
            mode=mode,
            judge=judge,
            settings=settings,
            images=str(listed.folder),
            scores=dpg.by_prompt(graded.values(), mode, subcategories=True),
            intervals={"overall": interval(over_prompts(list(scores.values())))},
            interval_is=LABEL,
            n={"overall": len(scores)},
            picture_size=sorted({done.rows[a.id]["size"] for a in kept}),
            exam=digest([[a.id, a.rows] for a in kept if a.id in scores]),
            prompts=[{"id": a.id, "prompt": a.prompt, "score": scores[a.id]} for a in kept if a.id in scores],
            troubles=troubles.said,
            notes=notes,
        )
        results.append(held_against(result))
    return results


def _graded(
    asked: list[Asked], answers: dict[str, Row], first: str, mode: dpg.Mode
) -> tuple[dict[str, list[dpg.Graded]], list[str]]:
    """By prompt, and what the official scorer drops."""
    graded: dict[str, list[dpg.Graded]] = {}
    dropped = []
    for a in asked:
        lost = 1 if mode == "official" and a.id == first else 0
        try:
            graded[a.id] = [dpg.grade(a.rows[lost:], said[lost:], mode) for said in answers[a.id]["answers"]]
        except dpg.Lost as error:
            dropped.append(f"{a.id} is dropped, as the official scorer does: {error}")
    return graded, dropped
