"""A generator's point by the published benchmarks: pictures go to folders in the official layouts and are scored there.

The same functions score them as `python -m headtohead.eval` does, so a curve's numbers are those that anyone gets from
the same pictures. A point that was interrupted paints only what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import RunConfig
from headtohead.eval.benchmarks import dpg, geneval_files
from headtohead.eval.curve_points.base import TRIED, Measured, held_out, losses
from headtohead.eval.curve_points.score import Point
from headtohead.eval.folders import images, layouts, score, score_sets
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.resume import How
from headtohead.eval.judges import colours, features, mask2former, vqa
from headtohead.models.build import Parts
from headtohead.models.generator import Generator
from headtohead.models.sampling import paint
from headtohead.utils import distributed, files
from headtohead.utils.compute import autocast

TILES = {"dpg": 4}  # pictures of a prompt that go into one file
SHOWN, TIMES = 12, 4  # prompts in the sample grid; pictures of one prompt beside each other


@dataclass(frozen=True)
class Wanted:
    """One picture file: what it shows and where it goes, below the point's folder."""

    place: str
    prompt: str
    number: int  # of its noise, the same at every point
    times: int = 1  # pictures in it


class Official:
    """Measures by prompts and judges that a user's files and names give."""

    mode = "official"

    def __init__(self, config: RunConfig, parts: Parts, device: str, folder: Path) -> None:
        self.config, self.codec, self.device, self.folder = config, parts.codec, device, folder
        e = config.exam
        self.lines = geneval_files.prompts(_file("exam.geneval", e.geneval)) if e.geneval else []
        self.questions = dpg.questions(_file("exam.dpg", e.dpg)) if e.dpg else {}
        self.meta = _captions(_file("exam.mjhq", e.mjhq) / "meta_data.json") if e.mjhq else {}
        if not (self.lines or self.questions or self.meta):
            raise ConfigError("exam.source=official: needs exam.geneval, exam.dpg or exam.mjhq, where the files lie")
        self.judges = self._judges() if distributed.first() else {}
        self.held_out = held_out(config, parts, device)

    def _judges(self) -> dict[str, Any]:
        e, out = self.config.exam, dict[str, Any]()
        if self.lines:
            names = geneval_files.class_names(Path(e.names) if e.names else None, "exam.names")
            out["detector"] = mask2former.load(e.detector, names, self.device)
            out["colours"] = colours.load(e.colours, self.device)
        if self.questions:
            out["answerer"] = vqa.load(e.answerer, self.device)
        if self.meta:
            out["features"] = features.load("inception", self.device, weights=e.inception)
        return out

    @property
    def name(self) -> str:
        return ", ".join(f"{role} {j.identity.name}@{j.identity.weights}" for role, j in self.judges.items())

    @property
    def about(self) -> dict[str, Any]:
        """The same prompts are shown at every point: the grid is drawn from those that points on the way ask."""
        return {"shown": {"prompts": [w.prompt for w in self._shown()]}}

    def wanted(self, last: bool) -> dict[str, list[Wanted]]:
        """Every file of a point, by benchmark: stated subsets on the way, everything at the end."""
        e = self.config.evaluation
        short, dense, mjhq = (e.final_geneval, e.final_dpg, e.final_fid) if last else (e.geneval, e.dpg, e.fid)
        out: dict[str, list[Wanted]] = {"geneval": [], "dpg": [], "mjhq": []}
        for k in _spread(len(self.lines), short):
            for n in range(self.config.exam.a_prompt):
                place = f"geneval/{k:05d}/samples/{n:04d}.png"
                out["geneval"].append(Wanted(place, self.lines[k]["prompt"], 4 * k + n))
        for k in _spread(len(self.questions), dense):
            item, rows = list(self.questions.items())[k]
            out["dpg"].append(Wanted(f"dpg/{item}.png", rows[0]["text"], 100_000 + 4 * k, TILES["dpg"]))
        for k in _spread(len(self.meta), mjhq):
            name, row = list(self.meta.items())[k]
            out["mjhq"].append(Wanted(f"mjhq/{row['category']}/{name}.jpg", row["prompt"], 200_000 + k))
        return out

    def trial(self, generator: Generator) -> None:
        """Painting alone; what the judges take comes on top."""
        prompts = [w.prompt for own in self.wanted(last=True).values() for w in own]
        with autocast(self.config.compute.precision, self.device):
            paint(
                generator, self.codec, (prompts * TRIED)[:TRIED], self.config.sampling,
                seed=0, batch=self.config.evaluation.batch,
            )  # fmt: skip

    def measure(self, generator: Generator, last: bool, step: int) -> Measured | None:
        """All processes paint, the first one writes and judges."""
        place, wanted = self.folder / f"{step:07d}", self.wanted(last)
        every = [w for own in wanted.values() for w in own]
        self._paint(generator, place, distributed.broadcast([w for w in every if not (place / w.place).exists()]))
        lost = losses(self.config, generator, self.held_out, self.device)
        if not distributed.first():
            return None
        results = list(self._scored(place, wanted))
        values = {f"{r.metric}/{name}": value for r in results for name, value in r.scores.items()}
        n = {f"{r.metric}/{name}": r.n.get(name, next(iter(r.n.values()))) for r in results for name in r.scores}
        for r in results:
            r.write(place / f"{r.metric}.json")
        rows = [row for r in results for row in r.prompts]
        scores = tuple(round(float(row["score"]), 4) for row in rows)
        asked = [{"prompt": row["prompt"], "task": row.get("task", "dpg"), "seen": True} for row in rows]
        if "fid-inception/fid" in values:
            values["fid"], n["fid"] = values.pop("fid-inception/fid"), n.pop("fid-inception/fid")
        values, n = {**values, **lost}, {**n, "loss": len(self.held_out.told)}
        return Measured(Point(values, n, scores), asked, self._grids(place))

    def _paint(self, generator: Generator, place: Path, missing: Sequence[Wanted]) -> None:
        """In portions that fit into memory: what is painted is on disk before the next portion."""
        e = self.config.evaluation
        at_once = max(1, e.batch * distributed.world()[1])
        rows = [(w, k) for w in missing for k in range(w.times)]
        pending: dict[str, list[Tensor]] = {}
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            with autocast(self.config.compute.precision, self.device):
                pictures = paint(
                    generator, self.codec, [w.prompt for w, _ in part], self.config.sampling,
                    seed=1_000 * self.config.seed, batch=e.batch, numbers=[w.number + k for w, k in part],
                )  # fmt: skip
            for (w, _), picture in zip(part, pictures[:, 0] if distributed.first() else (), strict=False):
                own = pending.setdefault(w.place, [])
                own.append(picture.cpu())
                if len(own) == w.times:
                    _save(place / w.place, pending.pop(w.place))

    def _scored(self, place: Path, wanted: dict[str, list[Wanted]]) -> Iterator[Result]:
        how, e, j = How(self.config.evaluation.batch, None, quiet=True), self.config.exam, self.judges
        if wanted["geneval"]:
            for w in wanted["geneval"]:
                path = place / Path(w.place).parts[0] / Path(w.place).parts[1] / "metadata.jsonl"
                if not path.exists():
                    path.write_text(json.dumps(self.lines[int(path.parent.name)]))
            listed = layouts.geneval(place / "geneval")
            yield score.score_geneval(listed, j["detector"], j["colours"], how=how, device=self.device)
        if wanted["dpg"]:
            items = {Path(w.place).stem for w in wanted["dpg"]}
            asked = {item: rows for item, rows in self.questions.items() if item in items}
            listed = layouts.dpg(place / "dpg", asked)
            yield from score.score_dpg(listed, j["answerer"], tiles=TILES["dpg"], modes=("fixed",), how=how)
        if wanted["mjhq"]:
            cache = self.folder.parent.parent / "references"
            found = layouts.mjhq(place / "mjhq")
            yield score_sets.score_fid(found, Path(e.mjhq), j["features"], cache=cache, how=how, draws=0)

    def _shown(self) -> list[Wanted]:
        """One picture each, of single-picture files."""
        wanted = self.wanted(last=False)
        firsts = list({w.prompt: w for w in wanted["geneval"] or wanted["mjhq"] or wanted["dpg"]}.values())
        return [firsts[k] for k in _spread(len(firsts), SHOWN)]

    def _grids(self, place: Path) -> dict[str, Tensor]:
        """From the files, so that a resumed point shows what it scored."""
        shown = [images.picture(place / w.place) for w in self._shown() if (place / w.place).exists()]
        return {"prompts": make_grid(shown, nrow=max(1, len(shown) // 2), padding=0)}


def _save(path: Path, pictures: list[Tensor]) -> None:
    """One picture, or four as a 2 x 2 grid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = make_grid(pictures, nrow=2, padding=0) if len(pictures) > 1 else pictures[0]
    with files.beside(path) as part:
        to_pil_image(grid.clamp(0, 1)).save(part, Image.registered_extensions()[path.suffix], quality=95)


def _spread(there: int, wanted: int) -> list[int]:
    """So many of them, evenly; all for 0."""
    if not wanted or wanted >= there:
        return list(range(there))
    return [int(k) for k in np.linspace(0, there - 1, wanted)]


def _file(key: str, given: str) -> Path:
    path = Path(given)
    if not path.exists():
        raise ConfigError(f"{key}: {given}: no such file or folder")
    return path


def _captions(path: Path) -> dict[str, dict[str, str]]:
    try:
        read = json.loads(path.read_text())
        return {str(name): {"prompt": str(r["prompt"]), "category": str(r["category"])} for name, r in read.items()}
    except OSError as error:
        raise FolderError(f"{path}: {error.strerror}") from None
    except (ValueError, AttributeError, TypeError, KeyError):
        raise FolderError(f"{path}: is no object of names with prompt and category") from None
