"""Pairs of images of one prompt from two designs, cut out of the sample grids of runs.

The raters' page contains no names of designs: images are named by hashes, and a key beside the records lists
which design painted which. The hash includes the pixels, so that answers are not
counted for an image that replaced the rated one.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ablations.analysis.curves import design_of, order
from ablations.analysis.sample_grids import Pictures, grids, tiles
from headtohead.records.json_files import RecordError, read_json, write
from headtohead.records.read import Run, runs

KIND = "prompts"  # the grids with one picture of each prompt
KEYS = "study"  # folder of the keys, in the sweep's folder
SIDE = 512  # largest side in pixels, so that the page can be sent by mail


@dataclass(frozen=True)
class Shot:
    """One image and its origin."""

    design: str
    seed: int
    step: int
    name: str
    picture: Pictures


@dataclass(frozen=True)
class Pair:
    prompt: str
    one: Shot
    other: Shot

    @property
    def name(self) -> str:
        return _name(self.one.name, self.other.name)


@dataclass(frozen=True)
class HumanStudy:
    """All pairs of some designs of one sweep, of equal seeds at the same last point."""

    sweep: str
    pairs: tuple[Pair, ...]

    @property
    def id(self) -> str:
        return _name(*(p.name for p in self.pairs))

    @property
    def prompts(self) -> int:
        return len({p.prompt for p in self.pairs})

    def key(self) -> dict[str, Any]:
        """Which design painted which image; stays beside the records."""
        return {"study": self.id, "sweep": self.sweep, "pairs": {p.name: _plain(p) for p in self.pairs}}

    def data(self) -> dict[str, Any]:
        """The data of the raters' page, sorted by hashes, so that the order does not reveal designs."""
        shots = {s.name: _uri(s.picture) for p in self.pairs for s in (p.one, p.other)}
        pairs = sorted(({"id": p.name, "prompt": p.prompt, "pictures": sorted((p.one.name, p.other.name))}
                        for p in self.pairs), key=lambda pair: str(pair["id"]))  # fmt: skip
        return {"study": self.id, "pairs": pairs, "pictures": dict(sorted(shots.items()))}


def _plain(pair: Pair) -> dict[str, Any]:
    shots = ({k: v for k, v in asdict(s).items() if k != "picture"} for s in (pair.one, pair.other))
    return {"prompt": pair.prompt, "pictures": list(shots)}


def _name(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _pixels(picture: Pictures) -> str:
    return hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).hexdigest()


def _uri(picture: Pictures) -> str:
    whole, out = Image.fromarray(picture), io.BytesIO()
    whole.thumbnail((SIDE, SIDE))
    whole.save(out, "webp", lossless=max(whole.size) <= 128, quality=90)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def study(found: list[Run], sweep: str, designs: list[str]) -> HumanStudy:
    """Pair the images of finished runs.

    found    runs
    sweep    name of the sweep
    designs  to be compared; empty for all with images
    """
    shots = _by_design(run for run in found if run.sweep == sweep)
    for design in designs:
        if not shots.get(design):
            there = ", ".join(sorted((d for d in shots if shots[d]), key=order)) or "none"
            raise RecordError(f"{design}: no finished run with pictures in {sweep}; there are: {there}")
    chosen = sorted(
        designs or [d for d in shots if shots[d]], key=order
    )  # a fixed order, so that answers to several studies can be added up
    pairs = [
        Pair(prompt, shots[a][seed, prompt], shots[b][seed, prompt])
        for a, b in itertools.combinations(chosen, 2)
        for seed, prompt in shots[a]
        if (seed, prompt) in shots[b] and shots[a][seed, prompt].step == shots[b][seed, prompt].step
    ]
    if not pairs:
        raise RecordError(f"{sweep}: no two designs with pictures of one prompt, seed and step: {', '.join(chosen)}")
    return HumanStudy(sweep, tuple(pairs))


def shown(folder: Path) -> set[str]:
    """Names of the current images of a sweep's finished runs."""
    shots = _by_design(run for run in runs(folder) if run.folder.parent == folder)
    return {shot.name for own in shots.values() for shot in own.values()}


def _by_design(found: Iterable[Run]) -> dict[str, dict[tuple[int, str], Shot]]:
    out: dict[str, dict[tuple[int, str], Shot]] = {}
    for run in found:
        if run.state["state"] == "finished" and "shown" in run.state:
            out.setdefault(design_of(run), {}).update(_shots(run))
    return out


def _shots(run: Run) -> dict[tuple[int, str], Shot]:
    paths, texts, seed = grids(run, KIND), run.state["shown"][KIND], run.config.get("seed", 0)
    if not paths:
        return {}
    step, path = list(paths.items())[-1]
    cut = tiles(path, len(texts))
    return {
        (seed, text): Shot(
            design_of(run), seed, step, _name(run.sweep, run.name, str(step), text, _pixels(picture)), picture
        )
        for text, picture in zip(texts, cut, strict=True)
    }


def write_key(made: HumanStudy, folder: Path) -> Path:
    """Write the key of a human study into the sweep's folder; returns its path."""
    path = folder / KEYS / f"{made.id}.json"
    path.parent.mkdir(exist_ok=True)
    write(path, made.key())
    return path


def keys(folder: Path) -> dict[str, dict[str, Any]]:
    """The keys of a sweep's human studies by id."""
    out = {}
    for path in sorted((folder / KEYS).glob("*.json")):
        key = read_json(path)
        pairs = key.get("pairs")
        if not isinstance(pairs, dict) or not all(map(_whole, pairs.values())):
            raise RecordError(f"{path}: pairs: is no key of a study; `make study` writes them")
        out[str(key.get("study"))] = key
    return out


def _whole(pair: Any) -> bool:
    shots = pair.get("pictures") if isinstance(pair, dict) else None
    return (
        isinstance(shots, list)
        and len(shots) == 2
        and isinstance(pair.get("prompt"), str)
        and all(
            isinstance(s, dict) and isinstance(s.get("name"), str) and isinstance(s.get("design"), str) for s in shots
        )
    )
