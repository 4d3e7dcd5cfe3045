"""Records as pandas frames; `docs/records.md` describes files and columns. Needs no torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import pandas as pd

from headtohead.records.json_files import Damage, parsed
from headtohead.records.layout import EXAMS, PROMPTS
from headtohead.records.read import AXES, Run, runs

Columns = dict[str, str]  # dtype by column
OF_RUN: Columns = {"sweep": "category", "run": "category", "design": "category", "seed": "int64"}
RUNS: Columns = {**OF_RUN, "state": "category", **dict.fromkeys(AXES, "category"), "steps": "Int64", "hash": "str",
                 "commit": "str", "folder": "str"}  # fmt: skip
CURVES: Columns = {**OF_RUN, "step": "int64", "samples": "Int64", "flops": "float64", "flops_total": "float64",
                   "seconds": "float64", "metric": "category", "value": "float64", "ceiling": "float64",
                   "relative": "float64", "n": "int64", "judge": "category", "mode": "category"}  # fmt: skip
PROMPT_SCORES: Columns = {**OF_RUN, "step": "int64", "exam": "category", "number": "int64", "prompt": "category",
                          "task": "category", "seen": "boolean", "score": "float64", "reason": "category"}  # fmt: skip
COSTS: Columns = {**OF_RUN, "trainable": "Int64", "frozen": "Int64", "steps": "Int64", "flops": "float64",
                  "flops_total": "float64", "seconds_training": "float64", "seconds_measuring": "float64",
                  "seconds_keeping": "float64", "peak_mb": "float64", "machine": "category"}  # fmt: skip


@dataclass(frozen=True)
class Frames:
    """What some runs recorded. Every frame begins with the columns sweep, run, design and seed.

    runs     a row a run: its state, the axes of its design, steps to train, configuration hash, commit, folder, and
             every other setting under its dotted key, such as `train.lr`
    curves   a row a number of a curve: step, what was spent until then, metric, value, the ceiling of the design's
             representation, the share of it that was reached, number of pictures, judge, mode
    prompts  a row a prompt of an evaluation: its text, task, score, and why GenEval's rules call the picture wrong
    costs    a row a run: parameters, FLOPs, seconds of training and of measuring, peak memory, machine
    damage   files that could not be read, or not all of them, and what was left out
    """

    records: tuple[Run, ...]
    damage: Damage

    @cached_property
    def runs(self) -> pd.DataFrame:
        settings = pd.DataFrame([{k: v for k, v in r.settings.items() if k not in AXES} for r in self.records])
        return pd.concat([_frame(RUNS, map(_run, self.records)), settings], axis=1)

    @cached_property
    def curves(self) -> pd.DataFrame:
        return _frame(CURVES, (line | of for run in self.records for of in [_of(run)] for line in run.curve()))

    @cached_property
    def prompts(self) -> pd.DataFrame:
        """Read when it is first used: it has hundreds of rows a point."""
        exams: dict[Any, list[dict[str, Any]]] = {}
        columns: dict[str, list[Any]] = {name: [] for name in PROMPT_SCORES}
        for run in self.records:
            for line in run.lines(PROMPTS):
                exam, scores, why = line.get("exam"), line.get("scores", []), line.get("reasons", {})
                path, n = run.folder.parent / EXAMS / f"{exam}.json", len(scores)
                if path not in exams:
                    exams[path] = parsed(path.read_bytes())[0].get("prompts", []) if path.exists() else []
                asked = exams[path] if len(exams[path]) == n else [{}] * n
                whole = {**_of(run), "step": line.get("step"), "exam": exam}
                for name, value in whole.items():
                    columns[name] += [value] * n
                columns["number"] += range(n)
                columns["score"] += scores
                columns["reason"] += [why.get(str(k)) for k in range(n)]
                for name in ("prompt", "task", "seen"):
                    columns[name] += [prompt.get(name) for prompt in asked]
        return pd.DataFrame(columns).astype(PROMPT_SCORES)

    @cached_property
    def costs(self) -> pd.DataFrame:
        return costs(self.records)


def load(*results: str | PathLike[str]) -> Frames:
    """Read results folders into frames.

    results  results folders, sweeps' or runs' own, several of any kind; a run that is found twice counts once

    Damaged files are left out, warned of, and named in `damage`.
    """
    damage: Damage = {}
    found = {run.folder.resolve(): run for folder in results for run in runs(folder, damage)}
    frames = Frames(tuple(found.values()), damage)
    _ = frames.curves  # reads the curves, so that all that is wrong with them is known
    for path, wrong in damage.items():
        warnings.warn(f"{path}: {wrong}", stacklevel=3)
    return frames


def costs(own: Iterable[Run]) -> pd.DataFrame:
    """What runs cost, as far as their status says: a row a run."""
    rows = [{**run.state, **_of(run), "machine": run.state.get("machine", {}).get("name")} for run in own]
    return _frame(COSTS, rows)


def _of(run: Run) -> dict[str, Any]:
    return {"sweep": run.sweep, "run": run.name, "design": run.design, "seed": run.seed}


def _run(run: Run) -> dict[str, Any]:
    config, state = run.config, run.state
    about = {"state": state["state"], "steps": config.get("train", {}).get("steps"), "hash": config.get("hash")}
    return {**_of(run), **about, **config.get("design", {}), "commit": state.get("commit"), "folder": str(run.folder)}


def _frame(columns: Columns, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    rows = list(rows)
    return pd.DataFrame({name: [row.get(name) for row in rows] for name in columns}).astype(columns)
