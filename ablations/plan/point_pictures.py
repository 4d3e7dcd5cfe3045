"""How many pictures a run's points take."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from headtohead.config.parsing import ConfigError
from headtohead.config.run_config import RunConfig
from headtohead.eval.benchmarks import published
from headtohead.eval.curve_points import score


@dataclass(frozen=True)
class Points:
    on_the_way: int
    a_point: int  # pictures
    the_last: int

    @property
    def pictures(self) -> int:
        return self.on_the_way * self.a_point + self.the_last

    @property
    def if_each_asked_all(self) -> int:
        return (self.on_the_way + 1) * self.the_last


def of(config: RunConfig) -> Points:
    number = len(range(config.evaluation.every, config.train.steps, config.evaluation.every))
    if config.exam.source == "official":
        return Points(number, _official(config, last=False), _official(config, last=True))
    return Points(number, *(score.pictures(config.evaluation, last) for last in (False, True)))


def _official(config: RunConfig, last: bool) -> int:
    """Of the benchmarks whose files are given; of all three as published while none is."""
    e, own = config.evaluation, config.exam
    there = (published.GENEVAL_LINES, published.DPG_PROMPTS, published.MJHQ_PICTURES)
    if own.geneval or own.dpg or own.mjhq:
        there = (
            _lines(own.geneval) if own.geneval else 0,
            _items(own.dpg) if own.dpg else 0,
            _named(own.mjhq) if own.mjhq else 0,
        )
    wanted = (e.final_geneval, e.final_dpg, e.final_fid) if last else (e.geneval, e.dpg, e.fid)
    short, dense, mjhq = (min(number or most, most) for number, most in zip(wanted, there, strict=True))
    return short * own.a_prompt + dense * published.A_PROMPT + mjhq


def _lines(path: str) -> int:
    return sum(bool(line.strip()) for line in _text("exam.geneval", path).split("\n"))


def _items(path: str) -> int:
    rows = csv.DictReader(io.StringIO(_text("exam.dpg", path), newline=""))
    return len({row.get("item_id") for row in rows})


def _named(folder: str) -> int:
    path = str(Path(folder) / published.MJHQ_META)
    try:
        return len(json.loads(_text("exam.mjhq", path)))
    except (ValueError, TypeError):
        raise ConfigError(f"exam.mjhq: {path}: is no JSON object") from None


def _text(key: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {path}: is no text") from None
