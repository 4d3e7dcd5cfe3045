"""One design's trials in Optuna's storage: sampled, trained by one process each, and taken over from dead ones.

Any number of processes, on any machines that reach the storage, work on one study. A trial's settings depend on the
seed, its number, and the results known when it is sampled, so that a single process that is killed and restarted
samples the same. A trial whose worker died (liveness.py) keeps its number, and its run continues from its checkpoint.
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
from ablations.tune.liveness import BY, Liveness, Monitor, heartbeat
from ablations.tune.search_space import Range, Search
from headtohead.config.parsing import differences
from headtohead.utils.cli import say
from headtohead.utils.errors import InputError

SEARCH, REASON, VOID = "search", "reason", "void"  # attributes of studies and trials in the storage
SETTLE = 1.0  # seconds after which two workers that take over the same trial see which of them was last
DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary"}  # their packages, where named otherwise
LOCKED = 60.0  # seconds to wait while another process writes to a SQLite file


class ReproducibleSampler(BaseSampler):
    """TPE whose random numbers depend on the seed and the trial's number alone, not on the process or its restarts."""

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


def without_password(url: str) -> str:
    """A storage's address, as it may be shown."""
    return make_url(url).render_as_string(hide_password=True)


def open_storage(url: str) -> BaseStorage:
    """Open any database that Optuna supports; a SQLite file and its folder are created."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        parts, shown = make_url(url), without_password(url)
        local = parts.get_backend_name() == "sqlite"
        if local and parts.database:
            Path(parts.database).parent.mkdir(parents=True, exist_ok=True)
        arguments = {"connect_args": {"timeout": LOCKED}} if local else {"pool_pre_ping": True}
        return _created(url, arguments)
    except ArgumentError:
        raise InputError("--storage: expected an address such as sqlite:///my.db or postgresql://host/name") from None
    except ImportError:
        install = f"pip install {DRIVERS.get(driver := parts.get_driver_name(), driver)}"
        raise InputError(f"--storage {shown}: its driver is not installed; `{install}` adds it") from None
    except (SQLAlchemyError, OSError, RuntimeError) as error:
        raise InputError(f"--storage {shown}: {str(error).splitlines()[0]:.200}") from None


def _created(url: str, arguments: dict[str, Any]) -> BaseStorage:
    """Retry: of processes that start together and create the same tables, all but one fail."""
    for attempt in range(5):
        try:
            return RDBStorage(url, engine_kwargs=arguments)
        except DBAPIError:
            if attempt == 4:
                raise
            time.sleep(0.2 * 2**attempt)
    raise AssertionError


def distribution(axis: Range | Sequence[Any]) -> BaseDistribution:
    """A searched setting as Optuna draws it."""
    if not isinstance(axis, Range):
        return CategoricalDistribution(tuple(axis))
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=int(axis.step) or 1)
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step or None)


@dataclass(frozen=True)
class ActiveTrial:
    """A trial that this process works on."""

    number: int
    values: dict[str, Any]  # of the searched settings
    study: optuna.Study
    trial: Trial

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Store a heartbeat every few seconds until the block ends."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(liveness.INTERVAL):
                with suppress(Exception):  # the storage may be away for a while; if it stays away, the trial fails
                    self.trial.set_user_attr(BY, heartbeat())

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
    """One design's study.

    storage  database that workers share
    name     of the study there
    search   the space, and what is the same for every trial
    design   name of a declared design
    budget   trials that count, failed and pruned ones included
    prune    whether trials that trail behind others end early
    folder   of the trials' runs, which other workers may share
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        search: Search,
        design: str,
        budget: int,
        prune: bool,
        folder: Path | None = None,
    ) -> None:
        self.search, self.design, self.budget, self.monitor = search, design, budget, Monitor(folder)
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            sampler=ReproducibleSampler(search.seed),
            pruner=optuna.pruners.MedianPruner() if prune else optuna.pruners.NopPruner(),
        )
        own, stored = search.plain(design), self.study.user_attrs.get(SEARCH)
        if stored is None:
            self.study.set_user_attr(SEARCH, own)
        elif stored != own:
            raise InputError(
                f"study {name}: holds another search ({differences(stored, own)}); --study gives it another name"
            )

    def all(self) -> list[FrozenTrial]:
        """Trials that count, by number."""
        return [t for t in self.study.get_trials(deepcopy=False) if VOID not in t.user_attrs]

    def next(self) -> ActiveTrial | None:
        """A dead worker's trial, or a new one within the budget; None when nothing is left to start."""
        announced = False
        while True:
            others = [(t, self.monitor.state(t)) for t in self.running()]
            for abandoned in (t for t, state in others if state is Liveness.DEAD):
                if trial := self._take_over(abandoned):
                    return trial
            if len(self.all()) < self.budget:
                return self._new()
            unknown = [t.number for t, state in others if state is Liveness.UNKNOWN]
            if not unknown:
                return None
            if not announced:
                say(f"{self.design}: waiting up to {liveness.TIMEOUT:.0f} s for heartbeats of {len(unknown)} trials")
                announced = True
            time.sleep(liveness.POLL)

    def _new(self) -> ActiveTrial | None:
        trial = self.study.ask({key: distribution(axis) for key, axis in self.search.space.items()})
        trial.set_user_attr(BY, heartbeat())
        if sum(t.number < trial.number for t in self.all()) >= self.budget:  # another worker was faster
            self._void(trial)
            return None
        return ActiveTrial(trial.number, trial.params, self.study, trial)

    def _take_over(self, abandoned: FrozenTrial) -> ActiveTrial | None:
        trial = Trial(self.study, abandoned._trial_id)
        if set(abandoned.params) != set(self.search.space):  # its worker died while its settings were drawn
            self._void(trial)
            return None
        own = heartbeat()
        trial.set_user_attr(BY, own)
        time.sleep(SETTLE)
        now = self.study.get_trials(deepcopy=False)[abandoned.number]
        if now.state is not TrialState.RUNNING or now.user_attrs.get(BY) != own:
            return None
        return ActiveTrial(abandoned.number, dict(abandoned.params), self.study, trial)

    def _void(self, trial: Trial) -> None:
        """End a trial that does not count."""
        trial.set_user_attr(VOID, True)
        self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def running(self) -> list[FrozenTrial]:
        return [t for t in self.all() if t.state is TrialState.RUNNING]

    def count(self, state: TrialState) -> int:
        return sum(t.state is state for t in self.all())

    def best(self) -> FrozenTrial | None:
        done: Sequence[FrozenTrial] = [t for t in self.all() if t.state is TrialState.COMPLETE]
        return max(done, key=lambda t: t.value or 0.0, default=None)
