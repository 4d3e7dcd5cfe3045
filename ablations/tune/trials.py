"""A design's trials in Optuna's storage: who draws one, who works on one, which were left behind by a dead process.

Any number of processes, on any number of machines that reach the storage, work through one study. A trial's draws
depend on the seed, its number and what is known when it is drawn, so that one process that is killed and started again
draws what it would have drawn. A trial whose worker is gone (`workers.py`) is taken up again under its own number, and
its run goes on from its checkpoint.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ablations.tune import liveness
from ablations.tune.liveness import BY, Standing, Watch, sign
from ablations.tune.search_space import Range, Search
from headtohead.config.parsing import differences
from headtohead.utils.cli import say
from headtohead.utils.errors import InputError

SEARCH, REASON, VOID = "search", "reason", "void"  # what studies and trials say of themselves
SETTLE = 1.0  # seconds in which two that take up one trial see each other
DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary"}  # packages, where named otherwise
PATIENCE = 60.0  # seconds for which a storage that another process writes to is waited for


class Repeatable(BaseSampler):
    """TPE, its random numbers a function of seed and trial: who asks, and after how many restarts, is none."""

    def __init__(self, seed: int) -> None:
        self.seed, self._last = seed, (-1, TPESampler(seed=seed))

    def _own(self, trial: FrozenTrial) -> TPESampler:
        if self._last[0] != trial.number:
            self._last = (trial.number, TPESampler(seed=(self.seed * 1_000_003 + trial.number) % 2**32))
        return self._last[1]

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._own(trial).infer_relative_search_space(study, trial)

    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Any:
        return self._own(trial).sample_relative(study, trial, search_space)

    def sample_independent(self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        return self._own(trial).sample_independent(study, trial, param_name, param_distribution)


def shown(url: str) -> str:
    """A storage's address without its password."""
    return make_url(url).render_as_string(hide_password=True)


def open_storage(url: str) -> BaseStorage:
    """Any database that Optuna knows; SQLite's file and folder are made."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        parts = make_url(url)
        local = parts.get_backend_name() == "sqlite"
        if local and parts.database:
            Path(parts.database).parent.mkdir(parents=True, exist_ok=True)
        arguments = {"connect_args": {"timeout": PATIENCE}} if local else {"pool_pre_ping": True}
        return _patiently(url, arguments)
    except ArgumentError:
        raise InputError("--storage: expected an address such as sqlite:///my.db or postgresql://host/name") from None
    except ImportError:
        install = f"pip install {DRIVERS.get(driver := parts.get_driver_name(), driver)}"
        raise InputError(f"--storage {shown(url)}: its driver is not installed; `{install}` adds it") from None
    except (SQLAlchemyError, OSError, RuntimeError) as error:
        raise InputError(f"--storage {shown(url)}: {str(error).splitlines()[0]:.200}") from None


def _patiently(url: str, arguments: dict[str, Any]) -> BaseStorage:
    """Processes that begin at the same moment make the same tables: all but one are told that they exist."""
    for tried in range(5):
        try:
            return RDBStorage(url, engine_kwargs=arguments)
        except DBAPIError:
            if tried == 4:
                raise
            time.sleep(0.2 * 2**tried)
    raise AssertionError


def distribution(axis: Range | Sequence[Any]) -> BaseDistribution:
    """A searched setting as Optuna draws it."""
    if not isinstance(axis, Range):
        return CategoricalDistribution(tuple(axis))
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=int(axis.step) or 1)
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step or None)


@dataclass(frozen=True)
class Held:
    """A trial that this process works on."""

    number: int
    values: dict[str, Any]
    study: optuna.Study
    trial: Trial

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Says that somebody works on it, until the block ends."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(liveness.BEAT):
                with suppress(Exception):  # a storage that is away comes back, or the silence says it
                    self.trial.set_user_attr(BY, sign())

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def finished(self, value: float) -> None:
        self.study.tell(self.number, value, skip_if_finished=True)

    def pruned(self) -> None:
        self.study.tell(self.number, state=TrialState.PRUNED, skip_if_finished=True)

    def failed(self, reason: str) -> None:
        with suppress(optuna.exceptions.UpdateFinishedTrialError):
            self.trial.set_user_attr(REASON, reason)
        self.study.tell(self.number, state=TrialState.FAIL, skip_if_finished=True)


class Trials:
    """One design's study, of so many trials, whose runs lie in a folder that other workers may share."""

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        search: Search,
        design: str,
        most: int,
        prune: bool,
        folder: Path | None = None,
    ) -> None:
        self.search, self.design, self.most, self.watch = search, design, most, Watch(folder)
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            sampler=Repeatable(search.seed),
            pruner=optuna.pruners.MedianPruner() if prune else optuna.pruners.NopPruner(),
        )
        own, there = search.plain(design), self.study.user_attrs.get(SEARCH)
        if there is None:
            self.study.set_user_attr(SEARCH, own)
        elif there != own:
            raise InputError(
                f"study {name}: holds another search ({differences(there, own)}); --study gives it another name"
            )

    def all(self) -> list[FrozenTrial]:
        """Those that count, by number."""
        return [t for t in self.study.get_trials(deepcopy=False) if VOID not in t.user_attrs]

    def next(self) -> Held | None:
        """A trial that nobody works on, or a new one while there are too few; none when nothing is left to begin."""
        told = False
        while True:
            others = [(t, self.watch.standing(t)) for t in self.running()]
            for left in (t for t, standing in others if standing is Standing.GONE):
                if held := self._take_over(left):
                    return held
            if len(self.all()) < self.most:
                return self._new()
            unsure = [t.number for t, standing in others if standing is Standing.UNSURE]
            if not unsure:
                return None
            if not told:
                say(
                    f"{self.design}: looking for up to {liveness.LOST:.0f} s whether {len(unsure)} trials have a worker"
                )
                told = True
            time.sleep(liveness.LOOK)

    def _new(self) -> Held | None:
        trial = self.study.ask({key: distribution(axis) for key, axis in self.search.space.items()})
        trial.set_user_attr(BY, sign())
        if sum(t.number < trial.number for t in self.all()) >= self.most:  # somebody else was faster
            self._void(trial)
            return None
        return Held(trial.number, trial.params, self.study, trial)

    def _take_over(self, left: FrozenTrial) -> Held | None:
        trial = Trial(self.study, left._trial_id)
        if set(left.params) != set(self.search.space):  # it ended while it was drawn
            self._void(trial)
            return None
        own = sign()
        trial.set_user_attr(BY, own)
        time.sleep(SETTLE)
        now = self.study.get_trials(deepcopy=False)[left.number]
        if now.state is not TrialState.RUNNING or now.user_attrs.get(BY) != own:
            return None
        return Held(left.number, dict(left.params), self.study, trial)

    def _void(self, trial: Trial) -> None:
        trial.set_user_attr(VOID, True)
        self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def running(self) -> list[FrozenTrial]:
        return [t for t in self.all() if t.state is TrialState.RUNNING]

    def count(self, state: TrialState) -> int:
        return sum(t.state is state for t in self.all())

    def best(self) -> FrozenTrial | None:
        done: Sequence[FrozenTrial] = [t for t in self.all() if t.state is TrialState.COMPLETE]
        return max(done, key=lambda t: t.value or 0.0, default=None)
