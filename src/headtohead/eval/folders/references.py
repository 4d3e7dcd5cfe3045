"""Statistics of reference images for Fréchet distances, computed once and cached.

The cache key is a hash of the images, the network and the resizer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from headtohead.eval.folders import images, layouts
from headtohead.eval.folders.images import FolderError, Troubles
from headtohead.eval.folders.layouts import Sorted
from headtohead.eval.folders.result import packages
from headtohead.eval.folders.resume import FeatureFiles, How, batches, delete_features, digest, with_progress
from headtohead.eval.judges.features import Features
from headtohead.eval.metrics.fid import Array, Reference
from headtohead.utils import files
from headtohead.utils.cli import say


@dataclass(frozen=True)
class Found:
    """Statistics of a reference.

    parts     mean and covariance by category; "" for all images
    identity  cache key and number of images, for results
    troubles  missing or damaged images
    """

    parts: dict[str, Reference]
    identity: dict[str, Any]
    troubles: list[str]


def reference(place: Path, net: Features, cache: Path, how: How) -> Found:
    """Statistics of a folder of images, or those in a saved file.

    place  the folder or file
    net    feature network
    cache  folder of cached statistics
    how    batch size and progress bars
    """
    if not place.is_dir():
        return load(place, net)
    found = layouts.mjhq(place, flag="--reference")
    key = key_of(found, net, how)
    saved = cache / f"{key}.safetensors"
    if saved.exists():
        try:
            return load(saved, net)
        except FolderError as error:
            say(f"eval: {error}; working it out again")
    _make(saved, found, net, key, how)
    return load(saved, net)


def key_of(found: Sorted, net: Features, how: How) -> str:
    """The cache key: a hash of the images' bytes and categories, the weights and the resizer.

    found  images by category
    net    feature network
    how    progress bars
    """
    whole = hashlib.sha256()
    for (path,) in with_progress(([p] for p in found.categories), len(found.categories), how, doing="reading"):
        whole.update(f"{found.categories[path]}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest([whole.hexdigest(), len(found.categories), net.space, net.resizer, net.identity.weights])


def features_of(
    paths: Iterable[Path], net: Features, troubles: list[str], how: How, folder: Path | None
) -> tuple[Array, list[Path], list[str]]:
    """Features (n, d) in double precision, the n files they are of, and the sizes of these images.

    paths     of images
    net       feature network
    troubles  gets a line for each image that is left out
    how       batch size and progress bars
    folder    keeps features so that an interrupted command can resume
    """
    kept = FeatureFiles(folder, [net.space, net.resizer, net.identity.weights, packages()])
    own = Troubles()
    stamps = {path: images.stamp(path) for path in paths}
    todo = [path for path, stamp in stamps.items() if stamp not in kept.rows]
    try:
        groups = batches(todo, how.batch)
        for group in with_progress(groups, len(stamps), how, done=len(stamps) - len(todo), doing="seeing"):
            if read := list(images.read(group, own)):
                for (path, picture), row in zip(read, net([picture for _, picture in read]), strict=True):
                    kept.add(stamps[path], row, images.size(picture))
    finally:
        kept.flush()
    there = []
    for path, stamp in stamps.items():
        if stamp in kept.rows and np.isfinite(kept.rows[stamp][0]).all():
            there.append(path)
        elif stamp in kept.rows:
            own.add(path, "its features are not finite")
    troubles += own.lines
    if not there:
        raise FolderError(f"none of {len(stamps)} pictures has features; {own.lines[0]}")
    rows = [kept.rows[stamps[path]] for path in there]
    return np.stack([row for row, _ in rows]), there, sorted({size for _, size in rows})


def _make(saved: Path, found: Sorted, net: Features, key: str, how: How) -> None:
    troubles, folder = [*found.troubles.lines], saved.with_suffix(".partial")
    rows, kept, _ = features_of(found.categories, net, troubles, how, folder)
    if len(rows) < 2:
        raise FolderError(f"--reference {found.folder}: one picture has no spread; two are the least")
    names = np.array([found.categories[p] for p in kept])
    parts = {"": rows} | {str(n): rows[names == n] for n in sorted(set(names) - {""}) if (names == n).sum() > 1}
    tensors: dict[str, Array] = {}
    for name, part in parts.items():
        r = Reference.of(part)
        tensors |= {f"{name}/mean": r.mean, f"{name}/covariance": r.covariance, f"{name}/n": np.array(r.n)}
    about = {
        "key": key, "space": net.space, "resizer": net.resizer, "weights": net.identity.weights, "troubles": troubles,
    }  # fmt: skip
    saved.parent.mkdir(parents=True, exist_ok=True)
    with files.beside(saved) as part:
        save_file(tensors, part, metadata={"headtohead": json.dumps(about)})
    delete_features(folder)


def load(path: Path, net: Features) -> Found:
    """Read saved statistics; raises if they are of another network or resizer.

    path  of the file
    net   feature network
    """
    try:
        with safe_open(path, "np") as f:
            about = json.loads((f.metadata() or {})["headtohead"])
            names = sorted({key.rsplit("/", 1)[0] for key in list(f.keys())})
            parts = {
                n: Reference(f.get_tensor(f"{n}/mean"), f.get_tensor(f"{n}/covariance"), int(f.get_tensor(f"{n}/n")))
                for n in names
            }
        own = {name: about[name] for name in ("space", "resizer", "weights")}
        troubles, key, n = [str(t) for t in about["troubles"]], about["key"], parts[""].n
    except FileNotFoundError:
        raise FolderError(f"--reference {path}: no such file or folder") from None
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise FolderError(f"{path}: holds no statistics of this program ({images.short(error)})") from None
    for name, want in (("space", net.space), ("resizer", net.resizer), ("weights", net.identity.weights)):
        if own[name] != want:
            raise FolderError(f"--reference {path}: its {name} is {own[name]}, not {want}")
    return Found(parts, {"key": key, "n": n}, troubles)
