"""python -m ablations.sweep: train every run of a sweep that is not finished, and record its curves."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import shlex
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from ablations import arguments, report, spec
from ablations.launch import Launch
from ablations.outlook import announce
from ablations.spec import SWEEPS
from ablations.states import state_of
from ablations.yaml_files import find
from headtohead import loggers, records
from headtohead.command import Parser, duration, isolated, positive, say, seeds
from headtohead.config import RunConfig
from headtohead.design import DESIGNS
from headtohead.errors import InputError
from headtohead.portion import Portion
from headtohead.presets import PRESETS
from headtohead.strict import known

TRACEBACK = "error.txt"
RUN = "headtohead.run"


def chosen(options: argparse.Namespace) -> spec.Sweep:
    """The sweep of the command line: a file's, or one made of DESIGN; options override the file."""
    overrides: dict[str, Any] = dict(arguments.settings(options.set))
    if options.steps is not None:
        overrides["train.steps"] = options.steps
    file = find(SWEEPS, options.name, "sweep") if options.name is not None else None
    asked = known("micro" if options.scale is None else options.scale, PRESETS, "scale", "command line")
    base = spec.read(file) if file else spec.parse(asked, {"designs": "all", "scale": asked}, "command line")
    scale = base.scale if options.scale is None else options.scale
    given = {
        "designs": options.design or list(base.designs),
        "seeds": options.seeds or list(base.seeds),
        "scale": scale,
        "set": {**base.overrides, **overrides},
        "grid": {key: list(values) for key, values in base.grid.items()},
        **base.how_chosen(),
    }
    name = base.name if base.scale == scale else f"{base.name}-{scale}"
    return spec.parse(named(name, overrides), given, str(file) if file else "command line")


def named(name: str, overrides: dict[str, Any]) -> str:
    """Runs of other settings are another sweep, in a folder of its own: their curves are never pooled."""
    whole = "-".join([name, *(f"{key}_{value}" for key, value in sorted(overrides.items()))])
    if spec.NAME.fullmatch(whole) or not overrides:
        return whole
    return f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def main(given: list[str] | None = None) -> int:
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
    arguments.add_launch(parser)
    loggers.add(parser)
    parser.add_argument("--no-estimate", action="store_true", help="begin without measuring how long it will take")
    options = parser.parse_args(given)
    try:
        sweep = chosen(options)
        runs = sweep.runs()
        launch, options.log = arguments.launch(options), loggers.checked(options.log)
        for run in runs.values():
            Portion.of(run.train.batch, run.compute.micro_batch, 0, launch.devices)
        states = {name: state_of(options.results / sweep.name / name, run) for name, run in runs.items()}
    except InputError as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2
    folder = options.results / sweep.name
    try:
        spec.remember(folder, again(options), runs, sweep.tuned)
    except OSError as error:
        print(f"sweep: {folder}: {error.strerror}", file=sys.stderr)
        return 2
    announce(sweep, runs, states, options)
    try:
        codes = {name: _train(sweep, name, runs[name], options, launch) for name in runs if states[name] != "finished"}
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


def _fit(config: RunConfig, folder: Path, options: argparse.Namespace) -> None:
    from headtohead import store
    from headtohead.run import train  # torch and lightning, once it is sure that something is to be done

    log = loggers.chosen(options.log, folder, config)
    train(config, folder, options.cache, device=options.device or store.best_device(), say=say, log=log)


def _launched(config: RunConfig, folder: Path, options: argparse.Namespace, launch: Launch) -> int | None:
    """A run's exit code from processes of its own, or none when it was only put into a queue."""
    records.Recorder(folder).begin({**config.plain(), "hash": config.hash})
    words = [str(folder), "--cache", str(options.cache), *(["--device", options.device] if options.device else [])]
    words += ["--log", *options.log] if options.log else []
    if launch.by == "slurm":
        job = launch.submit(folder, f"{folder.parent.name}/{folder.name}", RUN, words)
        records.Recorder(folder).status("queued", job=job)
        say(f"{folder.name}: job {job}")
        return None
    return launch.run(RUN, words)


def _train(sweep: spec.Sweep, name: str, config: RunConfig, options: argparse.Namespace, launch: Launch) -> int:
    """One run's exit code; what breaks it is recorded and said, and the sweep goes on."""
    folder = options.results / sweep.name / name
    started = time.monotonic()
    try:
        if launch.by == "local":
            isolated(_fit, config, folder, options)
        elif code := _launched(config, folder, options, launch):
            return _broke(folder, "its processes ended with an error", code)
        elif launch.by == "slurm":
            return 0
    except (InputError, OSError) as error:  # a setting, a model, the disk: nothing to debug
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
