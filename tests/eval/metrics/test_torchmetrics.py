"""The metrics behind a curve: batches add up, processes merge, a reset forgets; torchmetrics' own FID agrees."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
import torch
from torch import Tensor, distributed
from torchmetrics import Metric
from torchmetrics.image.fid import FrechetInceptionDistance

from headtohead.eval.benchmarks.dpg import DpgScore, Graded
from headtohead.eval.benchmarks.geneval import TASKS, GenEvalScore, Verdict
from headtohead.eval.curve_points.held_out_loss import HeldOutLoss
from headtohead.eval.metrics.diversity import Diversity
from headtohead.eval.metrics.fid import FrechetDistance, Reference

D = 6
RNG = np.random.default_rng(0)
REFERENCE = Reference.of(RNG.normal(size=(400, D)))
FEATURES = RNG.normal(size=(90, D)) + 0.3
GRADED = [
    Graded({1: a, 2: b}, {1: a, 2: 1.0}, {1: "entity - whole", 2: "relation - spatial"})
    for a, b in RNG.integers(0, 2, (9, 2)).astype(float)
]
VERDICTS = [Verdict(TASKS[k % 4], bool(c)) for k, c in enumerate(RNG.integers(0, 2, 30))]
ROWS = RNG.normal(size=(7, 4, D)), RNG.uniform(size=(7, 4)) < 0.6

# Each metric, with a function that updates it by some rows of its data, and how many there are.
Update = Callable[[Any, slice], None]
CASES: dict[str, tuple[Callable[[], Metric], Update, int]] = {
    "fid": (lambda: FrechetDistance(REFERENCE), lambda m, rows: m.update(torch.from_numpy(FEATURES[rows])), 90),
    "fid by sums": (lambda: FrechetDistance(REFERENCE, exact=20), lambda m, rows: m.update(FEATURES[rows]), 90),
    "geneval": (GenEvalScore, lambda m, rows: m.update(VERDICTS[rows]), 30),
    "dpg": (DpgScore, lambda m, rows: m.update(GRADED[rows]), 9),
    "diversity": (Diversity, lambda m, rows: m.update(ROWS[0][rows], ROWS[1][rows]), 7),
    "loss": (
        lambda: HeldOutLoss(["a", "b"]),
        lambda m, rows: m.update({"a": FEATURES[rows, 0].mean(), "b": FEATURES[rows, 1].mean()}, len(FEATURES[rows])),
        90,
    ),
}


def numbers(value: Tensor | dict[str, Tensor]) -> dict[str, float]:
    return {name: float(v) for name, v in (value if isinstance(value, dict) else {"": value}).items()}


@pytest.mark.parametrize("name", CASES)
def test_batches_add_up_metrics_merge_and_a_reset_forgets(name: str) -> None:
    make, update, size = CASES[name]
    whole, first, second = make(), make(), make()
    update(whole, slice(size))
    once = numbers(whole.compute())
    for start in range(0, size, 3):
        update(first if start < size // 2 else second, slice(start, start + 3))
    first.merge_state(second)
    assert numbers(first.compute()) == pytest.approx(once, rel=1e-9)
    first.reset()
    update(first, slice(size))
    assert numbers(first.compute()) == once
    assert not first.state_dict()  # what a checkpoint of its owner would hold


def share(rank: int, path: str, out: str, share_of: list[int]) -> None:
    """Update every metric by this process's rows, and write what it computes with the other process."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    distributed.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    told = {}
    for name, (make, update, size) in CASES.items():
        metric, cut = make(), size * share_of[0] // 100
        rows = slice(0, cut) if rank == 0 else slice(cut, size)
        if rows.start < rows.stop:
            update(metric, rows)
        else:
            metric._update_count = 1  # nothing to add, and no reason to warn of it
        told[name] = numbers(metric.compute())
    torch.save(told, f"{out}{rank}")
    distributed.destroy_process_group()


@pytest.mark.parametrize("share_of_the_first", [60, 100])
def test_two_processes_compute_what_one_does(share_of_the_first: int, tmp_path: Path) -> None:
    """The second one may have nothing to add."""
    given = str(tmp_path / "meet"), str(tmp_path / "told"), [share_of_the_first]
    both = [forked.start(share, rank, *given) for rank in (0, 1)]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    told = [torch.load(tmp_path / f"told{rank}") for rank in (0, 1)]
    assert told[0] == told[1]
    for name, (make, update, size) in CASES.items():
        update(metric := make(), slice(size))
        assert told[0][name] == pytest.approx(numbers(metric.compute()), rel=1e-9), name


def test_kept_features_give_the_distance_to_the_last_bit() -> None:
    metric = FrechetDistance(REFERENCE)
    for part in np.array_split(FEATURES, 7):
        metric.update(part)
    assert float(metric.compute()) == REFERENCE.distance(FEATURES)


def test_one_batch_of_losses_is_kept_to_the_last_bit() -> None:
    metric = HeldOutLoss()
    metric.update({"t=0.1": 1.7216038703918457, "t=0.3": 0.1}, 7)
    assert metric.values() == {"t=0.1": 1.7216038703918457, "t=0.3": 0.1}
    assert metric.total == 7


@pytest.mark.parametrize("exact", [10_000, 100])
def test_torchmetrics_own_fid_agrees(exact: int) -> None:
    """On pictures through one small feature net; its sums are about zero, ours about the reference's mean."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 16), torch.nn.Tanh())
    real, made = torch.rand(700, 3, 8, 8), torch.rand(500, 3, 8, 8) * 0.8 + 0.1
    theirs = FrechetInceptionDistance(net, normalize=True, input_img_size=(3, 8, 8))
    ours = None
    with torch.no_grad():
        for part in real.split(100):
            theirs.update(part, real=True)
        ours = FrechetDistance(Reference.of(net(real).double().numpy()), exact)
        for part in made.split(100):
            theirs.update(part, real=False)
            ours.update(net(part))
    assert float(ours.compute()) == pytest.approx(float(theirs.compute()), rel=1e-5)


def test_means_far_from_zero_lose_no_digits_in_sums() -> None:
    """Where squares about zero would leave seven digits of a variance."""
    far = Reference.of(RNG.normal(size=(300, D)) + 1e4)
    sample = RNG.normal(size=(300, D)) + 1e4
    metric = FrechetDistance(far, exact=0)
    metric.update(sample)
    assert float(metric.compute()) == pytest.approx(far.distance(sample), rel=1e-9)
