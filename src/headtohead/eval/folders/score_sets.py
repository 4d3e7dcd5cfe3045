"""Score sets of images: Fréchet distance to a reference, and the diversity of images of one prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headtohead.config.published_models import INCEPTION
from headtohead.eval.benchmarks import published
from headtohead.eval.benchmarks.base import Listed, with_differences
from headtohead.eval.benchmarks.geneval import prompts_hash
from headtohead.eval.folders import images
from headtohead.eval.folders import result as results
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.layouts import Sorted
from headtohead.eval.folders.references import features_of, reference
from headtohead.eval.folders.result import Result, interval
from headtohead.eval.folders.resume import How, features_folder
from headtohead.eval.folders.uncertainty import LABEL, LABEL_PICTURES, over_pictures, over_prompts
from headtohead.eval.judges.features import Features
from headtohead.eval.metrics.diversity import mean_distances
from headtohead.eval.metrics.fid import Array, FrechetDistance, Reference, infinity

RESAMPLES = 20  # of the bootstrap over images
LEAST_FOR_INFINITY = 100  # images


def score_fid(
    found: Sorted, place: Path, net: Features, *, cache: Path, how: How, resamples: int = RESAMPLES
) -> Result:
    """Fréchet distances of a folder, of all images and by category.

    found      images by category
    place      reference: folder of images or saved statistics
    net        feature network
    cache      folder of cached statistics
    how        options of scoring
    resamples  of the bootstrap over images; 0 gives no interval
    """
    against = reference(place, net, cache, how)
    troubles = [*against.troubles, *found.troubles.lines]
    folder = features_folder(how.out) if how.out else None
    rows, kept, sizes = features_of(found.categories, net, troubles, how, folder)
    if len(rows) < 2:
        raise FolderError(f"--images {found.folder}: one picture has no spread; two are the least")
    categories = np.array([found.categories[p] for p in kept])
    scores, n, notes = {}, {}, []
    whole = against.parts[""]
    scores["fid"], n["fid"] = _distance(whole, rows), len(rows)
    if len(rows) >= LEAST_FOR_INFINITY:
        scores["fid infinity"] = infinity(whole, rows)
    for name in sorted({*against.parts, *map(str, categories)} - {""}):
        own = rows[categories == name]
        if name in against.parts and len(own) > 1:
            scores[name], n[name] = _distance(against.parts[name], own), len(own)
        elif (categories != "").any():
            there = against.parts[name].n if name in against.parts else 0
            notes.append(f"{name}: no distance, of {len(own)} pictures to {there} of the reference's")
    if len(rows) < rows.shape[1]:
        notes.append(f"{len(rows)} pictures are fewer than the {rows.shape[1]} dimensions: biased upwards")
    if net.space == "clip":
        notes.append("CLIP features favour designs that predict CLIP features")
    if net.space == "shipped":
        notes.append("the shipped features were learnt from the embedded dataset and say little of other pictures")
    span = over_pictures(rows, whole.distance, resamples, how.quiet) if resamples else None
    result = Result(
        metric=f"fid-{net.space}",
        mode=net.resizer,
        judge={"features": net.identity.plain()},
        settings={},
        images=str(found.folder),
        scores=scores,
        intervals={"fid": interval(span)} if span else {},
        interval_is=LABEL_PICTURES,
        n=n,
        picture_size=sizes,
        resizer=net.resizer,
        reference=against.identity,
        troubles=troubles,
        notes=notes,
    )
    return with_differences(result, fid_differences(result))


def _distance(reference: Reference, features: Array) -> float:
    metric = FrechetDistance(reference, exact=len(features), sync_on_compute=False)
    metric.update(features)
    return float(metric.compute())


def fid_differences(r: Result) -> Iterator[str]:
    """Every difference from the published Fréchet distances on MJHQ-30k."""
    yield "the reference: no checksum of MJHQ-30k is published against which its pictures could be held"
    if r.metric != "fid-inception":
        yield f"{r.metric.split('-')[1]} features, not Inception's"
    elif r.resizer != "clean":
        yield f"resizer {r.resizer}, not clean"
    elif r.judge["features"]["name"] != INCEPTION:
        yield f"Inception of one's own: {r.judge['features']['name']}"
    for what, number in (("pictures in the reference", r.reference["n"]), ("pictures", r.n["fid"])):
        if number != published.MJHQ_PICTURES:
            yield f"{number:,} {what}, not {published.MJHQ_PICTURES:,}"


@dataclass(frozen=True)
class Accepted:
    """The images that a result of GenEval marked correct, identified by their bytes."""

    pictures: dict[str, list[Path]]  # by prompt
    identity: dict[str, Any]  # the result's file, judge and settings

    @staticmethod
    def of(path: Path, listed: Listed) -> Accepted:
        """Read a result of GenEval; raises if it is of other images.

        path    of the result
        listed  images to be scored
        """
        result = results.read(path)
        if result["metric"] != "geneval":
            raise FolderError(f"--accepted {path}: is a result of {result['metric']}, not of geneval")
        rows = {row["id"]: {p["file"]: p for p in row.get("pictures", ())} for row in result["prompts"]}
        right = dict[str, list[Path]]()
        for a in listed.items:
            right[a.id] = []
            for own in a.files:
                judged = rows.get(a.id, {}).get(own.name, {})
                if judged.get("sha256") != images.content(own):
                    raise FolderError(f"--accepted {path}: has judged other pictures ({a.id}/{own.name} differs)")
                if judged.get("correct") is True:
                    right[a.id].append(own)
        return Accepted(right, {"file": str(path), **{key: result[key] for key in ("mode", "judge", "settings")}})


def score_diversity(listed: Listed, net: Features, accepted: Accepted | None, how: How) -> Result:
    """Mean pairwise feature distance of the images of a prompt.

    listed    prompts with their images
    net       feature network
    accepted  images to use; None for all
    how       options of scoring
    """
    counting = accepted.pictures if accepted else {a.id: list(a.files) for a in listed.items}
    pairs = {item: paths for item, paths in counting.items() if len(paths) > 1}
    if not pairs:
        raise FolderError(f"--images {listed.folder}: no prompt has two pictures that count")
    troubles = [*listed.troubles.lines]
    folder = features_folder(how.out) if how.out else None
    every, kept, sizes = features_of([p for paths in pairs.values() for p in paths], net, troubles, how, folder)
    features = dict(zip(kept, every, strict=True))
    rows: list[dict[str, Any]] = []
    used = 0
    for a in listed.items:
        own = [features[p] for p in pairs.get(a.id, ()) if p in features]
        if len(own) > 1:
            (value,) = mean_distances(np.stack(own)[None], np.ones((1, len(own)), bool))
            rows.append({"id": a.id, "prompt": a.prompt, "score": value})
            used += len(own)
    if not rows:
        raise FolderError(f"--images {listed.folder}: no prompt has two pictures with features; {troubles[-1]}")
    notes = [] if accepted else ["every picture counts, wrong ones too: --accepted takes a geneval result"]
    name, scores, scored = "mean pairwise distance", [float(r["score"]) for r in rows], {r["id"] for r in rows}
    result = Result(
        metric=f"diversity-{net.space}",
        mode="accepted pictures" if accepted else "every picture",
        judge={"features": net.identity.plain()},
        settings={},
        images=str(listed.folder),
        scores={name: float(np.mean(scores))},
        intervals={name: interval(over_prompts(scores))},
        interval_is=LABEL,
        n={name: used},
        picture_size=sizes,
        exam=prompts_hash(a.rule for a in listed.items if a.id in scored),
        resizer=net.resizer,
        accepted=accepted.identity if accepted else {},
        prompts=rows,
        troubles=troubles,
        notes=notes,
    )
    return with_differences(result, ["nobody publishes this measure"])
