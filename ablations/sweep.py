"""python -m ablations.sweep: train every run of a sweep that is not finished, and record its curves."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from ablations import spec
from ablations.command import Parser, positive, seeds
from headtohead import records
from headtohead.config import PRESETS, ConfigError, RunConfig, known
from headtohead.design import DESIGNS

SWEEPS = Path("sweeps")
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
    if run.config.get("hash") != config.hash:
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
    print(
        f"sweep {sweep.name}: {len(runs)} run{'s' * (len(runs) != 1)} in {options.results / sweep.name}",
        file=sys.stderr,
    )
    for name, run in runs.items():
        t, e = run.train, run.evaluation
        what = f"{t.steps:,} steps of {t.batch}, a point every {e.every:,}"
        print(f"  {name:24} {states[name]:9} {what}", file=sys.stderr)
    failed = [name for name in runs if states[name] != "finished" and not _train(sweep, name, runs[name], options)]
    if failed:
        print(f"sweep {sweep.name}: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _train(sweep: spec.Sweep, name: str, config: RunConfig, options: argparse.Namespace) -> bool:
    """One run; what breaks it is recorded and said, and the sweep goes on."""
    from headtohead import store
    from headtohead.run import train  # torch and lightning, once it is sure that something is to be done

    folder = options.results / sweep.name / name
    started = time.monotonic()
    try:
        train(config, folder, options.cache, device=options.device or store.best_device(), say=_say)
    except Exception as error:
        traceback.print_exc()
        records.Recorder(folder).status("failed", reason=f"{type(error).__name__}: {error}"[:500])
        return False
    last = {line["metric"]: line["value"] for line in records.runs(folder)[0].curve()}
    shown = json.dumps({k: round(last[k], 3) for k in ("geneval/overall", "dpg/overall", "fid") if k in last})
    _say(f"{name}: finished in {(time.monotonic() - started) / 60:.1f} min {shown}")
    return True


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
