"""python -m ablations.sweep: train every run of a sweep that is not finished, and record its curves."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import shlex
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations import report, spec
from headtohead import records
from headtohead.command import Parser, duration, isolated, positive, say, seeds
from headtohead.config import RunConfig
from headtohead.design import DESIGNS
from headtohead.presets import PRESETS
from headtohead.strict import ConfigError, build, known

if TYPE_CHECKING:
    from headtohead.pace import Pace

SWEEPS = Path("sweeps")
TRACEBACK = "error.txt"
FOUNDED = ("micro",)  # the scales whose foundations and data can be had


def chosen(options: argparse.Namespace) -> spec.Sweep:
    """The sweep of the command line: a file's, or one made of DESIGN; options override the file."""
    overrides: dict[str, Any] = {}
    for key, value in map(_pair, options.set or ()):
        if key in overrides:
            raise ConfigError(f"--set: {key} stands twice")
        overrides[key] = value
    if options.steps is not None:
        overrides["train.steps"] = options.steps
    file = SWEEPS / f"{options.name}.yaml" if options.name else None
    asked = known("micro" if options.scale is None else options.scale, PRESETS, "scale", "command line")
    base = spec.read(file) if file else spec.parse(asked, {"designs": "all", "scale": asked}, "command line")
    scale = base.scale if options.scale is None else options.scale
    given = {
        "designs": options.design or list(base.designs),
        "seeds": options.seeds or list(base.seeds),
        "scale": scale,
        "set": {**base.overrides, **overrides},
        "grid": {key: list(values) for key, values in base.grid.items()},
    }
    name = base.name if base.scale == scale else f"{base.name}-{scale}"
    return spec.parse(named(name, overrides), given, str(file) if file else "command line")


def named(name: str, overrides: dict[str, Any]) -> str:
    """Runs of other settings are another sweep, in a folder of its own: their curves are never pooled."""
    whole = "-".join([name, *(f"{key}_{value}" for key, value in sorted(overrides.items()))])
    if spec.NAME.fullmatch(whole) or not overrides:
        return whole
    return f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _pair(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise ConfigError(f"--set: expected KEY=VALUE such as head.dim=256, got {text!r}")
    return key, value


def state_of(folder: Path, config: RunConfig) -> str:
    """finished, started or new; a folder that holds another configuration is refused with what differs."""
    path = folder / records.CONFIG
    if not path.exists():
        return "new"
    (run,) = records.runs(folder)
    own = {key: value for key, value in run.config.items() if key != "hash"}
    if build(RunConfig, own, str(path)) != config:  # settings that came later have their defaults
        raise ConfigError(f"{path}: holds another configuration ({_differs(run.config, config.plain())}); move it away")
    return "finished" if run.state["state"] == "finished" else "started"


def _differs(old: dict[str, object], new: dict[str, object], prefix: str = "") -> str:
    out = []
    for key in sorted({*old, *new} - {"hash"}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            out.append(_differs(a, b, f"{prefix}{key}."))
        elif a != b:
            out.append(f"{prefix}{key}: {a} there, {b} here")
    return ", ".join(filter(None, out))


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.sweep", __doc__)
    parser.add_argument("name", nargs="?", help=f"a file of {SWEEPS}/ without its ending")
    parser.add_argument(
        "--design", nargs="+", metavar="DESIGN", help=f"some of: {', '.join(DESIGNS)}; all when not given"
    )
    parser.add_argument("--seeds", type=seeds, help="such as 0,1,2; without it the file's, or 0")
    parser.add_argument("--scale", help=f"one of: {', '.join(PRESETS)}; without it the file's, or micro")
    parser.add_argument("--steps", type=positive, help="training steps, when not the scale's")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, such as head.dim=256")
    parser.add_folder("--results", Path("results"), "where records go")
    parser.add_folder("--cache", Path(".cache/headtohead"), "where encoded pictures are kept")
    parser.add_device()
    parser.add_argument("--no-estimate", action="store_true", help="begin without measuring how long it will take")
    options = parser.parse_args(arguments)
    try:
        sweep = chosen(options)
        if sweep.scale in PRESETS and sweep.scale not in FOUNDED:
            raise ConfigError(f"scale {sweep.scale}: its foundations and data are still to come; there is {FOUNDED[0]}")
        runs = sweep.runs()
        states = {name: state_of(options.results / sweep.name / name, run) for name, run in runs.items()}
    except (ConfigError, records.RecordError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2
    folder = options.results / sweep.name
    try:
        spec.remember(folder, again(options))
    except OSError as error:
        print(f"sweep: {folder}: {error.strerror}", file=sys.stderr)
        return 2
    announce(sweep, runs, states, options)
    try:
        codes = {name: _train(sweep, name, runs[name], options) for name in runs if states[name] != "finished"}
    except KeyboardInterrupt:
        say("sweep: stopped; the same command goes on from the last point")
        return 130
    if failed := [name for name, code in codes.items() if code]:
        say(f"sweep {sweep.name}: failed: {', '.join(failed)}; the same command tries them again")
    return max(codes.values(), default=0)


def again(options: argparse.Namespace) -> str:
    """The command that asks for the same sweep."""
    seeds, setting = options.seeds, options.set
    words = {
        "NAME": options.name,
        "DESIGN": " ".join(options.design or ()),
        "SEEDS": ",".join(map(str, seeds or ())),
        "SCALE": options.scale,
        "STEPS": options.steps,
        "SET": " ".join(setting or ()),
    }
    return " ".join(["make sweep", *(f"{key}={shlex.quote(str(value))}" for key, value in words.items() if value)])


def announce(
    sweep: spec.Sweep, runs: dict[str, RunConfig], states: dict[str, str], options: argparse.Namespace
) -> None:
    """What is going to happen, and about how long it takes on this machine."""
    say(f"sweep {sweep.name}: {len(runs)} run{'s' * (len(runs) != 1)} in {options.results / sweep.name}")
    todo = {name: run for name, run in runs.items() if states[name] != "finished"}
    paces: dict[str, Pace] = {}
    if todo and not options.no_estimate:
        say("timing a few steps of each design ...")
    whole = 0.0
    for name, run in runs.items():
        t, e = run.train, run.evaluation
        line = f"  {name:24} {states[name]:9} {t.steps:,} steps of {t.batch}, a point every {e.every:,}"
        if name in todo and not options.no_estimate:
            key = replace(run, seed=0).hash
            try:
                paces[key] = paces.get(key) or isolated(_pace, run, options)
            except Exception as error:
                say(f"{line}; cannot be timed: {error}")
                continue
            left = paces[key].seconds(run, reached(options.results / sweep.name / name))
            whole += left
            line += f", about {duration(left)}"
        say(line)
    if whole and len(todo) > 1:
        say(f"about {duration(whole)} in all; finished runs are skipped, unfinished ones go on from their last point")


def reached(folder: Path) -> int:
    """The last step that a run has on record."""
    path = folder / records.CURVE
    return max((line["step"] for line in records.read_lines(path)), default=0) if path.exists() else 0


def _pace(config: RunConfig, options: argparse.Namespace) -> Pace:
    from headtohead import pace, store

    return pace.measure(config, options.device or store.best_device())


def _fit(config: RunConfig, folder: Path, options: argparse.Namespace) -> None:
    from headtohead import store
    from headtohead.run import train  # torch and lightning, once it is sure that something is to be done

    train(config, folder, options.cache, device=options.device or store.best_device(), say=say)


def _train(sweep: spec.Sweep, name: str, config: RunConfig, options: argparse.Namespace) -> int:
    """One run's exit code; what breaks it is recorded and said, and the sweep goes on."""
    folder = options.results / sweep.name / name
    started = time.monotonic()
    try:
        isolated(_fit, config, folder, options)
    except (ConfigError, OSError) as error:  # a setting or the disk: nothing to debug
        return _broke(folder, f"{error}", 2)
    except Exception as error:
        code = _broke(folder, f"{type(error).__name__}: {error}; {TRACEBACK} there says where", 1)
        with contextlib.suppress(OSError):
            (folder / TRACEBACK).write_text(traceback.format_exc())
        return code
    last = {line["metric"]: line["value"] for line in records.runs(folder)[0].curve()}
    shown = ", ".join(f"{title} {last[m]:.3f}" for m, title in records.HEADLINE.items() if m in last)
    say(f"{name}: finished in {duration(time.monotonic() - started)}: {shown}")
    with contextlib.suppress(records.RecordError, OSError):  # a report can be made later, the run is what counts
        say(f"{report.make(options.results / sweep.name)} holds the comparison so far")
    return 0


def _broke(folder: Path, reason: str, code: int) -> int:
    reason = " ".join(reason.split())[:500]
    say(f"{folder}: failed: {reason}")
    with contextlib.suppress(OSError):  # the disk itself may be what failed
        folder.mkdir(parents=True, exist_ok=True)
        records.Recorder(folder).status("failed", reason=reason)
    return code


if __name__ == "__main__":
    sys.exit(main())
