"""sweep.json beside the runs of a sweep: its commands, its runs, and the searches that chose settings of designs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headtohead.config.design import DESIGNS
from headtohead.config.parsing import Zero, build
from headtohead.config.run_config import RunConfig
from headtohead.records import json_files, leases
from headtohead.utils.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The search that chose a design's settings, and its budget."""

    study: str
    storage: str
    trials: int
    steps: int  # of each trial
    objective: str
    space: dict[str, str]  # what was searched, by setting
    pruned: bool = False  # whether the search stopped bad trials early
    finished: Zero = 0  # trials that neither failed nor were stopped; 0 where that is not known
    seed: Zero = 0  # of all trials; their scores at this seed are biased upwards, since the best was chosen


def read(given: Any, designs: Iterable[str], where: str) -> dict[str, Tuned]:
    """Searches by design.

    given    the value of `tuned` in a file; older files hold one search for all designs
    designs  to which an older file's search applies
    where    the file, for messages
    """
    if isinstance(given, Mapping) and any(key in DESIGNS for key in given):
        return {str(design): build(Tuned, own, where, f"tuned.{design}") for design, own in given.items()}
    return dict.fromkeys(designs, build(Tuned, given, where, "tuned"))


def plain(tuned: Mapping[str, Tuned]) -> dict[str, Any]:
    return {design: asdict(own) for design, own in tuned.items()}


def alike(searches: Iterable[Tuned | None]) -> bool:
    """Whether all searches had the same space and budget; a larger one favours a design."""
    budgets = [(t.trials, t.steps, t.objective, t.space, t.pruned) if t else None for t in searches]
    return all(budget == budgets[0] for budget in budgets)


def spent(tuned: Tuned) -> str:
    counted = f" ({tuned.finished:,} finished)" if tuned.finished else ""
    return f"the best of {tuned.trials:,} trials of {tuned.steps:,} steps by the {tuned.objective}{counted}"


SWEEP = "sweep.json"  # beside a sweep's runs: its commands, its runs and their steps, its searches


def remember(
    folder: Path,
    command: str,
    runs: Mapping[str, RunConfig] | None = None,
    searches: Mapping[str, Tuned] | None = None,
    note: str = "",
) -> None:
    """Note beside a sweep's runs what they are made with.

    folder    the sweep's
    command   that starts it
    runs      configurations by the run's name
    searches  what chose each design's settings
    note      a sentence that reports begin with
    """
    steps = {name: run.train.steps for name, run in (runs or {}).items()}
    with leases.turn(folder / ".asked"):  # workers of one sweep begin together, and each adds its own
        before = notes(folder)
        about = {
            "commands": list(dict.fromkeys([*commands(folder), command])),
            "runs": {**before.get("runs", {}), **steps},
            "tuned": plain({**tuned(folder), **(searches or {})}),
            "note": note or before.get("note", ""),
        }
        json_files.write(folder / SWEEP, {key: value for key, value in about.items() if value})


def notes(folder: Path, damage: json_files.Damage | None = None) -> dict[str, Any]:
    """What is noted beside a sweep's runs; damage is an error, or is named in `damage` and nothing is returned."""
    path = folder / SWEEP
    try:
        out = json_files.read_json(path) if path.exists() else {}
        for key, kind in {"commands": list, "runs": dict, "tuned": dict, "note": str}.items():
            if not isinstance(out.get(key) or kind(), kind):
                raise json_files.RecordError(f"{path}: {key} is {out[key]!r:.40}; move the file away, it is made again")
        tuned_designs(out, path)
    except InputError as error:
        if damage is None:
            raise
        damage[path] = f"{str(error).removeprefix(f'{path}: ')}; commands and searches of the sweep are not shown"
        return {}
    return out


def commands(folder: Path, damage: json_files.Damage | None = None) -> list[str]:
    """The commands that a sweep's runs came from."""
    return [str(c) for c in notes(folder, damage).get("commands", ())]


def tuned(folder: Path, damage: json_files.Damage | None = None) -> dict[str, Tuned]:
    """What chose the settings of each design of a sweep, where a search did."""
    return tuned_designs(notes(folder, damage), folder / SWEEP)


def tuned_designs(noted: Mapping[str, Any], path: Path) -> dict[str, Tuned]:
    """The searches that a sweep's notes hold, by design."""
    there = [d for d in DESIGNS if any(str(run).startswith((f"{d}-s", f"{d}+")) for run in noted.get("runs", ()))]
    return read(noted["tuned"], there, str(path)) if noted.get("tuned") else {}
