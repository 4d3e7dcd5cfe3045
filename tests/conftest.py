"""Shared pieces of the tests. What imports torch is imported where it is used: xdist's own process does without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from forked import FORKS
from small import SMALL

from headtohead.config.presets import configure
from headtohead.utils import processes

if TYPE_CHECKING:
    from headtohead.eval.judges.pixels import PixelJudge

# Beside other processes of tests one thread each: two that spin for one core wait for each other. Torch reads it on
# import, and trainings of tests do not adjust theirs where it is set.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
else:
    os.environ.setdefault("OMP_NUM_THREADS", "2")

processes.use_huge_pages()  # for the workers that xdist is about to start
processes.SPAWN = FORKS  # type: ignore[assignment]  # of the commands that tests call in their own process
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a process that tests start should not compile everything again

# The files that take longest begin first, so that at the end no core waits for one of them.
LONG = (
    "training/test_devices.py", "training/test_run.py", "ablations/sweep/test_sweep.py", "training/test_survival.py",
    "ablations/plan/test_paper_scale.py", "ablations/tune/test_tune.py", "ablations/bench/test_bench.py",
    "test_extending.py", "ablations/plan/test_plan.py", "eval/judges/test_pixels.py", "ablations/bench/test_gpu.py",
    "eval/curve_points/test_official.py", "ablations/analysis/test_claims_truth.py", "records/test_taken_over.py",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {Path(__file__).parent / name: k for k, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def pixel_judge() -> PixelJudge:
    from headtohead.eval.judges import pixels

    return pixels.load()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without figures beside them, which take longer to draw than the page to write."""
    from ablations.report.figures import drawn

    monkeypatch.setattr(drawn, "drawn", lambda *_: {})


@pytest.fixture
def few_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors see pictures of 64 pixels, as with `--short 64`, not of 800, which take a CPU most of a point."""
    from headtohead.eval.judges import mask2former

    load = mask2former.load
    monkeypatch.setattr(mask2former, "load", lambda name, names, device: load(name, names, device, short=64))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encoded pictures of the trainings of all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The folder of a small run of `vae_flow` that nothing stopped; tests read it, and change copies."""
    from headtohead.training.run import train

    folder = tmp_path_factory.mktemp("finished") / "run"
    train(configure("vae_flow", overrides=SMALL), folder, cache, device="cpu", say=lambda line: None)
    return folder
