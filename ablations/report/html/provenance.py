"""Provenance: settings, versions, data and machine of each run, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ablations.analysis.curves import FINISHED, design_of, order
from ablations.analysis.designs import Cell
from ablations.analysis.table import Table
from headtohead.config.design import group_of
from headtohead.records import sweep_folder
from headtohead.records.read import Run
from headtohead.records.sweep_folder import alike, spent, tuned


def compared(cells: Sequence[Cell]) -> Table:
    """The designs' axes, and every setting in which designs that have it differ."""
    axes = list(dict.fromkeys(axis for c in cells for axis in c.axes))
    keys = sorted({key for c in cells for key in c.settings})
    values = {key: {str(c.settings.get(key)) for c in cells if key in c.settings or not group_of(key)} for key in keys}
    differing_keys = [key for key in keys if len(values[key]) > 1]
    rows = [
        [c.name, *(c.axes.get(axis, "–") for axis in axes), *(_value(c.settings.get(key)) for key in differing_keys)]
        for c in cells
    ]
    note = "All other settings are the same for all; config.json of each run holds them." if len(cells) > 1 else ""
    return Table("The designs", ["design", *axes, *differing_keys], rows, note)


def _value(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def runs(own: list[Run]) -> Table:
    """A row for each run; columns without any value are left out and named in the note."""
    columns: dict[str, Callable[[Run], Any]] = {
        "seed": lambda r: r.config.get("seed"),
        "state": lambda r: r.state["state"],
        "config hash": lambda r: r.config.get("hash"),
        "commit": lambda r: r.state.get("commit"),
        "data": lambda r: _data(r.state["data"]) if "data" in r.state else None,
        "last exam": lambda r: max(r.exams().items(), default=(0, None))[1],
        "computed in": lambda r: _precision(r) or None,
        "machine": lambda r: _machine(r.state["machine"]) if "machine" in r.state else None,
    }
    cells = {name: [pick(r) for r in own] for name, pick in columns.items()}
    has = [name for name, values in cells.items() if any(v is not None for v in values)]
    rows = [
        [r.name, *(str(cells[name][k]) if cells[name][k] is not None else "–" for name in has)]
        for k, r in enumerate(own)
    ]
    lacking = ", ".join(name for name in columns if name not in has)
    note = (
        "Equal hashes are equal configurations; the last exam is the id of the prompts of the last point, which "
        "exams/<id>.json lists." + (f" Not recorded: {lacking}." if lacking else "")
    )
    return Table("Runs", ["run", *has], rows, note)


def _data(d: Any) -> str:
    """Fingerprint and size of the training data."""
    if not isinstance(d, dict):
        return str(d)
    counts = [f"{value:,} {key.replace('_', ' ')}" for key, value in d.items() if isinstance(value, int)]
    rest = ", ".join(([str(d["mix"])] if "mix" in d else []) + counts)
    return f"{d.get('fingerprint')} ({rest})" if rest else f"{d.get('fingerprint')}"


def _machine(m: dict[str, Any]) -> str:
    return f"{m.get('name')} ({m.get('device')}, {m.get('threads')} of {m.get('cores')} cores)"


def _precision(run: Run) -> str:
    """What a run computed in; a run that went on elsewhere may name two. Older records hold the setting alone."""
    found = run.state.get("precision", run.config.get("compute", {}).get("precision", ""))
    return ", then ".join(found) if isinstance(found, list) else str(found)


def packages(own: list[Run]) -> list[str]:
    """Versions of packages; if they differ, with the runs that have them."""
    by = _by(own, _versions)
    if len(by) < 2:
        return [versions for versions in by if versions]
    return [f"{versions or 'Versions not recorded'}: {_names(runs, own)}." for versions, runs in by.items()]


def differing(own: list[Run]) -> list[str]:
    """A line for each of commits, machines and precisions that is not the same for all runs."""
    parts: dict[str, Callable[[Run], str]] = {
        "commits": lambda r: str(r.state.get("commit") or ""),
        "machines": lambda r: _machine(r.state["machine"]) if "machine" in r.state else "",
        "precisions": _precision,
    }
    values = {name: _by(own, pick) for name, pick in parts.items()}
    return [
        f"Runs of several {name}: "
        + "; ".join(f"{value or 'not recorded'}: {_names(runs, own)}" for value, runs in by.items())
        + "."
        for name, by in values.items()
        if len(by) > 1
    ]


def _versions(run: Run) -> str:
    return ", ".join(f"{name} {version}" for name, version in run.state.get("packages", {}).items())


def _by(own: list[Run], pick: Callable[[Run], str]) -> dict[str, list[Run]]:
    """Runs by a value, the most frequent first; only runs that ended have recorded it."""
    out: dict[str, list[Run]] = {}
    for run in own:
        if run.state["state"] in (FINISHED, "failed"):
            out.setdefault(pick(run), []).append(run)
    return dict(sorted(out.items(), key=lambda item: -len(item[1])))


def _names(runs: list[Run], own: list[Run]) -> str:
    """Names of runs, or their number if they are more than half of all."""
    return ", ".join(r.name for r in runs) if 2 * len(runs) <= len(own) else f"the other {len(runs)} runs"


def settings(own: list[Run]) -> str:
    done = sum(r.state["state"] == "finished" for r in own)
    config, about = own[0].config, ""
    if "train" in config and "evaluation" in config:
        train, evaluation = config["train"], config["evaluation"]
        about = (
            f" {train['steps']:,} steps of {train['batch']}, a point every {evaluation['every']:,} steps on the "
            f"{evaluation['split']} prompts.{_sampled(config.get('sampling', {}))}"
        )
    return f"{len(own)} runs, {done} of them finished.{about}{_tuning(own)}"


def _sampled(how: dict[str, Any]) -> str:
    if not {"steps", "solver", "guidance"} <= how.keys():
        return ""
    start, end = how.get("guidance_from", 0.0), how.get("guidance_until", 1.0)
    within = f" at times {start:g} to {end:g}" if (start, end) != (0.0, 1.0) else ""
    return f" Flows take {how['steps']} {how['solver']} steps at guidance {how['guidance']:g}{within}."


def _tuning(own: list[Run]) -> str:
    """The search that chose each design's settings, and its budget: a larger one favours a design."""
    found = tuned(own[0].folder.parent, own[0].damage)
    designs = list(dict.fromkeys(design_of(r).split("+")[0] for r in own))
    by: dict[str, list[str]] = {}
    for design in designs:
        if t := found.get(design):
            over = "; ".join(f"{key}: {axis}" for key, axis in t.space.items())
            early = " Bad trials were stopped early." if t.pruned else ""
            by.setdefault(f"{spent(t)}: study {t.study} in {t.storage}, over {over}.{early}", []).append(design)
    if not by:
        return ""
    subject = {text: "Each design's settings" if same == designs else f"The settings of {' and '.join(same)}"
             for text, same in by.items()}  # fmt: skip
    equal = alike(found.get(design) for design in designs)
    warning = "" if equal else " The searches were not equal: more trials, steps or settings favour a design."
    return "".join(f" {subject[text]} are {text}" for text in by) + warning


def troubles(own: list[Run]) -> list[str]:
    """A line for each run that failed or has not finished."""
    failed = [f"Failed: {r.name}: {r.state.get('reason', 'no reason recorded')}" for r in own if _state(r) == "failed"]
    return failed + [f"Not finished: {r.name}" for r in own if _state(r) not in ("failed", "finished")]


def damage(own: list[Run], sweeps: Iterable[str]) -> list[str]:
    """A line for each damaged file of a sweep.

    own     runs of the sweep
    sweeps  names of all sweeps with a section; the first section also lists damage outside all of them
    """
    first, folder = own[0].sweep == next(iter(sweeps)), own[0].folder.parent
    out = []
    for path, wrong in (own[0].damage or {}).items():
        if folder in path.parents:
            out.append(f"Damaged: {path.relative_to(folder)}: {wrong}")
        elif first and not any(path.parts[: len(folder.parts)] == (*folder.parts[:-1], name) for name in sweeps):
            out.append(f"Damaged: {path}: {wrong}")
    return out


def _state(run: Run) -> str:
    return str(run.state["state"])


def commands(own: list[Run]) -> list[str]:
    """The recorded commands of a sweep, or, without records, one that would give its runs."""
    if known := sweep_folder.commands(own[0].folder.parent, own[0].damage):
        return known
    designs = " ".join(dict.fromkeys(design_of(r).split("+")[0] for r in own))
    return [f"make sweep DESIGN={shlex.quote(designs)} SEEDS={_seeds(own)}"]


def again(own: list[Run]) -> Table:
    """Commands that repeat single designs: the sweep's command, restricted to the design and its seeds."""
    words = [w for w in shlex.split(commands(own)[-1]) if not w.startswith(("DESIGN=", "SEEDS="))]
    by: dict[str, list[Run]] = {}
    for run in sorted(own, key=lambda r: order(design_of(r))):
        by.setdefault(design_of(run), []).append(run)
    rows = []
    for design, runs in by.items():
        parts = [*words, f"DESIGN={design.split('+')[0]}", f"SEEDS={_seeds(runs)}"]
        rows.append([design, " ".join(map(_quoted, parts))])
    varied = any("+" in design for design in by)
    note = "A design's command makes all of its variants." if varied else ""
    return Table("Commands", ["design", "command"], rows, note)


def _quoted(word: str) -> str:
    key, mark, value = word.partition("=")
    return f"{key}={shlex.quote(value)}" if mark else shlex.quote(word)


def _seeds(own: list[Run]) -> str:
    return ",".join(str(s) for s in sorted({r.config.get("seed", 0) for r in own}))
