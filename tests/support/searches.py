"""A search of tiny runs, and trainings that take no time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ablations.tune import command as tune
from ablations.tune import run_trial
from ablations.tune.trials import open_storage
from headtohead.config.run_config import RunConfig
from headtohead.records.recorder import Recorder, Spent

SPACE = {
    "train.lr": {"low": "1e-4", "high": 0.1, "log": True},
    "train.warmup": {"low": 2, "high": 10, "step": 2},
    "train.ema": [0.9, 0.99],
}
BEST = 0.01


def fit(config: RunConfig, folder: Path, *_: Any) -> None:
    """As if it had been trained: the closer to the best learning rate, the better."""
    run = Recorder(folder)
    run.begin({**config.plain(), "hash": config.hash})
    value = 1 / (1 + abs(config.train.lr - BEST))
    numbers = {"geneval/overall": value, "dpg/overall": value - 0.2, "fid": 9.0}
    n = {"geneval": 9, "dpg": 9, "fid": 9}
    for step in (3, config.train.steps):
        run.append(Spent(step, step, 1.0, 1.0), numbers, n, representation="clip", judge="judge")
    run.status("finished")


def unreal(monkeypatch: pytest.MonkeyPatch, made: Callable[..., None] = fit) -> None:
    monkeypatch.setattr(run_trial, "isolated", lambda work, *given: made(*given))


def go(*words: str, many: int = 4, designs: tuple[str, ...] = ("clip_mse",)) -> int:
    return tune.main(["--space", "tiny", "--trials", str(many), "--design", *designs, "--device", "cpu", *words])


def drawn(design: str = "clip_mse", study: str = "tiny") -> dict[int, tuple[TrialState, dict[str, Any]]]:
    storage = open_storage(f"sqlite:///results/tune/{study}.db")
    found = optuna.load_study(study_name=f"{study}/{design}", storage=storage).trials
    return {t.number: (t.state, t.params) for t in found}
