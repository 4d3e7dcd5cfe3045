"""What a benchmark is: prompts, the judges it needs, and how judged pictures become scores. One file a benchmark.

To add one, write a file in this folder with a subclass of `Benchmark` and an object of it (`MINE = Mine()`): points of
a curve then ask its prompts and record its scores as `<name>/<score>`. Nothing else names it. A plugin's file adds the
object itself: `BENCHMARKS.add("mine", Mine())`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from torch import Tensor
from torchmetrics import Metric

from headtohead.config.parsing import ConfigError
from headtohead.config.registry import Registry
from headtohead.config.run_config import EvalConfig, ExamConfig
from headtohead.eval.folders.images import Troubles
from headtohead.eval.folders.result import Result
from headtohead.eval.folders.resume import How, digest
from headtohead.synthetic.prompts.short_prompts import Split
from headtohead.synthetic.scenes import Request

T = TypeVar("T")
Judges = Mapping[str, Any]  # by role: "detector", "colours", "answerer", "features"


@dataclass(frozen=True)
class Item:
    """One prompt of a benchmark.

    id       its name in files and results
    prompt   the text that the model is given
    rule     what pictures are checked against: a line of GenEval, the questions of DPG-Bench
    task     the heading under which its score is listed
    seen     whether training shows the combination that it asks for
    request  in the embedded dataset, the scene that fulfils it; there are no true pictures of it without
    files    the pictures that answer it, where they lie on disk
    """

    id: str
    prompt: str
    rule: Any
    task: str
    seen: bool = True
    request: Request | None = None
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Listed:
    """A folder's prompts with their pictures, known before any judge is loaded.

    troubles  what is missing or damaged
    first     DPG-Bench's first item, of which the official scorer loses a question
    """

    folder: Path
    items: list[Item]
    troubles: Troubles
    first: str = ""


@dataclass(frozen=True)
class PictureFile:
    """One file of a point: where it lies below the point's folder, and what is painted into it.

    number    of the first picture's noise, the same at every point
    pictures  in the file; several form a square grid
    """

    place: str
    prompt: str
    number: int
    pictures: int = 1


class Judged(Protocol):
    """What judges found in one picture; a `reason`, if it has one, says why the score is not 1."""

    @property
    def score(self) -> float:
        """In [0, 1]."""
        ...


class Benchmark:
    """Prompts are about the embedded dataset (scored by `judge` and `metric`) or in a user's files (`score_files`)."""

    name: ClassVar[str]  # of its scores on a curve
    setting: ClassVar[str] = ""  # the key of `exam` that names its file or folder
    source: ClassVar[str] = "official"  # the value of `exam.source` with which that file or folder is read
    published: ClassVar[int] = 0  # prompts of the published benchmark
    rank: ClassVar[int] = 10  # points ask lower ranks first; sample grids and diversity show the lowest one's prompts

    # Prompts of the embedded dataset.
    def synthetic(self, split: Split, pictures: int = 0) -> list[Item]:
        """The prompts of a split of the embedded dataset, one for each of so many pictures; 0 for all of them.

        Items with a `request` have a true picture, and their pictures count for FID as well: another benchmark with
        such items changes what FID is computed on.
        """
        return []

    # Prompts from files that a user names.
    def path(self, exam: ExamConfig) -> Path | None:
        """What `exam` names for this benchmark, if anything."""
        named = getattr(exam, self.setting, "")
        if named and not Path(named).exists():
            raise ConfigError(f"exam.{self.setting}: {named}: No such file or folder")
        return Path(named) if named else None

    def read(self, path: Path) -> list[Item]:
        """All prompts of the file or folder that `exam` names, checked."""
        return []

    def items(self, exam: ExamConfig) -> list[Item]:
        path = self.path(exam)
        return self.read(path) if path else []

    def pictures(self, exam: ExamConfig) -> int:
        """Pictures of one prompt."""
        return 1

    def files(self, k: int, item: Item, exam: ExamConfig) -> list[PictureFile]:
        """The files that answer prompt number k, in the benchmark's published layout."""
        return []

    def limit(self, config: EvalConfig, last: bool) -> int:
        """How many prompts a point asks (of the embedded dataset: pictures), `evaluation.<name>`; 0 for all, which is
        what a benchmark without such a setting gets."""
        return getattr(config, f"final_{self.name}" if last else self.name, 0)

    # Scores.
    def judges(self, exam: ExamConfig, device: str) -> dict[str, Any]:
        """Load the judges that `exam` names, by role."""
        return {}

    def judge(self, items: Sequence[Item], pictures: Tensor, judges: Judges) -> Sequence[Judged]:
        """What the judges find in pictures (B, 3, H, W) in [0, 1]; picture k answers item k."""
        raise NotImplementedError(f"{self.name} has no rules for single pictures")

    def metric(self, items: Sequence[Item], **kwargs: Any) -> Metric:
        """An empty metric for these prompts: `update` takes what `judge` found, `compute` gives scores with `overall`.

        kwargs  of torchmetrics.Metric, such as sync_on_compute
        """
        raise NotImplementedError(f"{self.name} has no scores of single pictures")

    def scores(self, items: Sequence[Item], judged: Sequence[Any]) -> dict[str, float]:
        """What `metric` computes from what `judge` found."""
        metric = self.metric(items, sync_on_compute=False)
        metric.update(judged)
        return {name: float(value) for name, value in metric.compute().items()}

    def score_files(self, listed: Listed, judges: Judges, exam: ExamConfig, how: How, cache: Path) -> list[Result]:
        """Score the files of a point, exactly as `python -m headtohead.eval` does.

        cache  folder that keeps the statistics of references
        """
        raise NotImplementedError(f"{self.name} has no scorer of files")

    def identify(self, items: Iterable[Item]) -> str:
        """A hash of what is asked: results with different ones do not compare."""
        return digest([[item.id, item.rule] for item in items])

    def differences(self, result: Result) -> Iterator[str]:
        """Every way in which a result differs from the published protocol."""
        yield from ()

    def key(self, metric: str, score: str) -> str:
        """The name on a curve of one score of a result of `score_files`."""
        return f"{metric}/{score}"


def _found() -> dict[str, Benchmark]:
    """The objects of `Benchmark` in the files of this folder, in the order in which a point asks them."""
    folder, found = importlib.import_module(__package__), dict[str, Benchmark]()
    for file in pkgutil.iter_modules(folder.__path__):
        module = importlib.import_module(f"{__package__}.{file.name}")
        for own in (value for value in vars(module).values() if isinstance(value, Benchmark)):
            if found.setdefault(own.name, own) is not own:
                raise ConfigError(f"{module.__file__}: another file has a benchmark {own.name}; choose another name")
    return dict(sorted(found.items(), key=lambda named: (named[1].rank, named[0])))


BENCHMARKS: Registry[Benchmark] = Registry("benchmark", found=_found)


def from_files(exam: ExamConfig) -> list[Benchmark]:
    """The benchmarks that may read their prompts from files which `exam` names."""
    return [benchmark for benchmark in BENCHMARKS.values() if benchmark.source == exam.source]


def spread(rows: Sequence[T], number: int) -> list[T]:
    """So many rows at even distances, some twice when there are fewer."""
    return [rows[k] for k in np.linspace(0, len(rows) - 1, number).astype(int)]


def one_of(place: str, given: Any, known: Collection[str]) -> None:
    """Refuse what is not among the known names, naming its place in the file."""
    if not isinstance(given, str) or given not in known:
        raise ValueError(f"{place}: expected one of {', '.join(known)}, got {json.dumps(given)}")


def with_differences(result: Result, differences: Iterable[str]) -> Result:
    """Record in a result why it is not comparable with published numbers."""
    damaged = [f"{len(result.troubles)} missing or damaged"] if result.troubles else []
    return replace(result, not_comparable_because=[*differences, *damaged])
