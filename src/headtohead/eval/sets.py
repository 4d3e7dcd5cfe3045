"""Sets of pictures: Fréchet distances against a reference, and how different the pictures of one prompt are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from headtohead.eval import folders
from headtohead.eval.diversity import pairwise
from headtohead.eval.fid import Reference, infinity
from headtohead.eval.folders import FolderError, Troubles
from headtohead.eval.result import Result, interval
from headtohead.eval.scoring import How
from headtohead.eval.uncertainty import LABEL, LABEL_PICTURES, over_pictures, over_prompts
from headtohead.eval.work import batches, digest, watched
from headtohead.judges.features import Features

DRAWS = 20  # of the bootstrap over pictures
Array = NDArray[np.float64]


def features_of(
    paths: Sequence[Path], net: Features, troubles: Troubles, how: How, sizes: set[str] | None = None
) -> tuple[Array, list[Path]]:
    """(n, d) and the files they belong to; files that are no pictures are named and left out."""
    out, kept = [], []
    for group in watched(batches(paths, lambda _: 1, how.batch), lambda _: 1, len(paths), how.quiet):
        read = list(folders.read(group, troubles))
        if read:
            out.append(net([picture for _, picture in read]))
            kept += [path for path, _ in read]
        if sizes is not None:
            sizes.update(f"{p.shape[2]}x{p.shape[1]}" for _, p in read)
    if not out:
        raise FolderError(f"none of {len(paths)} pictures can be read; {troubles.said[0]}")
    return np.concatenate(out), kept


def key_of(paths: Sequence[Path], net: Features) -> str:
    """Of content, number and resizer: other bytes, other weights or another resizer are another reference."""
    bytes_of = hashlib.sha256()
    for path in paths:
        bytes_of.update(hashlib.sha256(path.read_bytes()).digest())
    return digest([bytes_of.hexdigest(), len(paths), net.space, net.resizer, net.identity.plain()])


def reference(
    place: Path, net: Features, cache: Path, troubles: Troubles, how: How
) -> tuple[dict[str, Reference], dict[str, Any]]:
    """References by category, "" for all, from a folder or from saved statistics; and what identifies them."""
    if place.suffix == ".safetensors":
        return _load(place, net)
    found = folders.mjhq(place, None, troubles)
    paths = [p for own in found.values() for p in own]
    key = key_of(paths, net)
    saved = cache / f"{key}.safetensors"
    if not saved.exists():
        rows, kept = features_of(paths, net, troubles, how)
        names = np.array([p.parent.name if "" not in found else "" for p in kept])
        parts = {"": rows} | {name: rows[names == name] for name in found if name and (names == name).sum() > 1}
        _save(saved, {name: Reference.of(own) for name, own in parts.items()}, key, net)
    return _load(saved, net)


def _save(path: Path, references: dict[str, Reference], key: str, net: Features) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Array] = {}
    for name, r in references.items():
        tensors |= {f"{name}/mean": r.mean, f"{name}/covariance": r.covariance, f"{name}/n": np.array(r.n)}
    told = {"key": key, "space": net.space, "resizer": net.resizer, "weights": net.identity.weights}
    beside = path.with_suffix(".part")
    save_file(tensors, beside, metadata={"headtohead": json.dumps(told)})
    beside.replace(path)


def _load(path: Path, net: Features) -> tuple[dict[str, Reference], dict[str, Any]]:
    try:
        with safe_open(path, "np") as f:
            told = json.loads((f.metadata() or {})["headtohead"])
            names = sorted({key.rsplit("/", 1)[0] for key in list(f.keys())})
            out = {
                n: Reference(f.get_tensor(f"{n}/mean"), f.get_tensor(f"{n}/covariance"), int(f.get_tensor(f"{n}/n")))
                for n in names
            }
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise FolderError(f"--reference {path}: holds no statistics of this program ({error})") from None
    for name, own in (("space", net.space), ("resizer", net.resizer), ("weights", net.identity.weights)):
        if told[name] != own:
            raise FolderError(f"--reference {path}: its {name} is {told[name]}, not {own}")
    return out, {"key": told["key"], "n": out[""].n}


def score_fid(
    folder: Path, place: Path, net: Features, *, meta: dict[str, str] | None, cache: Path, how: How, draws: int = DRAWS
) -> Result:
    troubles, sizes = Troubles(), set[str]()
    references, told = reference(place, net, cache, troubles, how)
    found = folders.mjhq(folder, meta, troubles)
    rows, kept = features_of([p for own in found.values() for p in own], net, troubles, how, sizes)
    categories = np.array([(meta or {}).get(p.stem, p.parent.name if "" not in found else "") for p in kept])
    scores, n, notes = {}, {}, []
    whole = references[""]
    scores["fid"], n["fid"] = whole.distance(rows), len(rows)
    if len(rows) >= 100:
        scores["fid infinity"] = infinity(whole, rows)
    for name in sorted(set(references) - {""}):
        own = rows[categories == name]
        if len(own) > 1:
            scores[name], n[name] = references[name].distance(own), len(own)
    if len(rows) < rows.shape[1]:
        notes.append(f"{len(rows)} pictures are fewer than the {rows.shape[1]} dimensions: biased upwards")
    if net.space == "clip":
        notes.append("CLIP features favour designs that predict CLIP features")
    span = over_pictures(rows, whole.distance, draws) if draws > 1 else None
    official = net.space == "inception" and net.resizer == "clean" and whole.n == 30_000 and len(rows) == 30_000
    return Result(
        f"fid-{net.space}",
        "official",
        {"features": net.identity.plain()},
        str(folder),
        scores,
        {"fid": interval(span)} if span else {},
        LABEL_PICTURES,
        n,
        official and not troubles.said,
        sorted(sizes),
        resizer=net.resizer,
        reference=told,
        troubles=troubles.said,
        notes=notes,
    )


def score_diversity(folder: Path, net: Features, accepted: dict[str, set[str]] | None, how: How) -> Result:
    """Pictures of one prompt, in GenEval's layout; `accepted` names the files that a judge found right."""
    troubles, sizes = Troubles(), set[str]()
    asked = folders.geneval(folder, None, troubles)
    rows: list[dict[str, Any]] = []
    used = 0
    for a in asked:
        paths = [p for p in a.pictures if accepted is None or p.name in accepted.get(a.id, set())]
        if len(paths) > 1:
            features, _ = features_of(paths, net, troubles, How(how.batch, None, True), sizes)
            value, _ = pairwise(features[None], np.ones((1, len(features)), bool))
            if np.isfinite(value):
                rows.append({"id": a.id, "prompt": a.prompt, "score": value})
                used += len(features)
    if not rows:
        raise FolderError(f"--images {folder}: no prompt has two pictures that count")
    notes = [] if accepted is not None else ["every picture counts, wrong ones too: --accepted takes a geneval result"]
    scores = [float(r["score"]) for r in rows]
    return Result(
        f"diversity-{net.space}",
        "fixed" if accepted is not None else "every picture",
        {"features": net.identity.plain()},
        str(folder),
        {"mean pairwise distance": float(np.mean(scores))},
        {"mean pairwise distance": interval(over_prompts(scores))},
        LABEL,
        {"mean pairwise distance": used},
        False,
        sorted(sizes),
        exam=digest([r["prompt"] for r in rows]),
        resizer=net.resizer,
        prompts=rows,
        troubles=troubles.said,
        notes=notes,
    )
