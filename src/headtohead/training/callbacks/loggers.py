"""Lightning's loggers for TensorBoard and Weights & Biases, beside a run's own record.

They are no part of a run's configuration and do not change its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from headtohead.config.parsing import ConfigError, known
from headtohead.config.run_config import RunConfig
from headtohead.utils.cli import Parser

if TYPE_CHECKING:
    import lightning as L
    from lightning.pytorch.loggers import Logger

Loggers = Callable[[int], "Sequence[Logger]"]  # takes the step that training continues from

EVERY = 10  # steps between two logged values of loss, gradient norm and speed


def none(start: int) -> Sequence[Logger]:
    return ()


def attach(trainer: L.Trainer, loggers: Sequence[Logger]) -> None:
    """Log loss, gradient norm, speed and learning rate of steps, and the metrics of points.

    trainer  of Lightning
    loggers  that receive them
    """
    from lightning.pytorch.callbacks import LearningRateMonitor

    trainer.loggers = list(loggers)
    trainer.log_every_n_steps = EVERY  # type: ignore[attr-defined]
    if loggers:
        trainer.callbacks.append(LearningRateMonitor("step"))  # type: ignore[attr-defined]


def add(parser: Parser) -> None:
    parser.add_argument("--log", nargs="+", default=[], metavar="LOGGER", help=f"also to: {', '.join(MAKERS)}")


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The names without repetitions, each of a logger whose package is installed."""
    for name in names:
        known(name, MAKERS, "logger", "--log")
        if find_spec(name) is None:
            raise ConfigError(f"--log {name}: {name} is not installed; `pip install {name}` adds it")
    return tuple(dict.fromkeys(names))


def chosen(names: Sequence[str], folder: Path, config: RunConfig) -> Loggers:
    """Makes a run's loggers; can be pickled for the process that trains.

    names   of loggers, see `checked`
    folder  of the run
    config  of the run
    """
    return partial(_made, tuple(names), folder, config)


def _made(names: tuple[str, ...], folder: Path, config: RunConfig, start: int) -> Sequence[Logger]:
    return [MAKERS[name](folder, config, start) for name in names]


def _tensorboard(folder: Path, config: RunConfig, start: int) -> Logger:
    """For `tensorboard --logdir results`. Steps after `start`, which an interrupted run logged, are hidden."""
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="", version="tensorboard", purge_step=start + 1 if start else 0)


def _wandb(folder: Path, config: RunConfig, start: int) -> Logger:
    """Folder and configuration make the run's id, so that a resumed run stays one run there."""
    from lightning.pytorch.loggers import WandbLogger

    own = hashlib.sha256(f"{folder.resolve()} {config.hash}".encode()).hexdigest()[:16]
    return WandbLogger(
        folder.name, folder, version=own, project="headtohead", group=folder.parent.name, config=config.plain()
    )


MAKERS: dict[str, Callable[[Path, RunConfig, int], Logger]] = {"tensorboard": _tensorboard, "wandb": _wandb}
