"""python -m ablations.sweep: train every run of a sweep that is not finished, and record its curves."""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from pathlib import Path

from ablations import spec
from headtohead import records
from headtohead.config import PRESETS, ConfigError, RunConfig
from headtohead.design import DESIGNS

SWEEPS = Path("sweeps")


def chosen(options: argparse.Namespace) -> spec.Sweep:
    """The sweep of the command line: a file's, or one made of DESIGN; options override the file."""
    overrides = dict(_pair(text) for text in options.set or ())
    if options.steps is not None:
        overrides["train.steps"] = options.steps
    file = SWEEPS / f"{options.name}.yaml" if options.name else None
    base = spec.read(file) if file else spec.parse(_name(options), {"designs": options.design or ["all"]}, "--design")
    given = {
        "designs": options.design or list(base.designs),
        "seeds": options.seeds or list(base.seeds),
        "scale": options.scale or base.scale,
        "set": {**base.overrides, **overrides},
    }
    return spec.parse(base.name, given, base.where if file else "command line")


def _name(options: argparse.Namespace) -> str:
    """Sweeps of other scales and settings are other sweeps: their curves are never pooled."""
    parts = [options.scale or "micro", *(f"{k.split('.')[-1]}{v}" for k, v in map(_pair, options.set or ()))]
    return "-".join([*parts, *([f"steps{options.steps}"] if options.steps else [])])


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
    parser = argparse.ArgumentParser(prog="python -m ablations.sweep", description=__doc__)
    parser.add_argument("name", nargs="?", help=f"a file of {SWEEPS}/ without its ending")
    parser.add_argument("--design", nargs="+", metavar="DESIGN", help=f"all, or some of: {', '.join(DESIGNS)}")
    parser.add_argument("--seeds", type=_seeds, help="such as 0,1,2 (default: 0)")
    parser.add_argument("--scale", help=f"one of: {', '.join(PRESETS)} (default: micro)")
    parser.add_argument("--steps", type=int, help="training steps, when not the scale's")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, such as head.dim=256")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where records go")
    parser.add_argument("--cache", type=Path, default=Path(".cache/headtohead"), help="where encoded pictures are kept")
    parser.add_argument("--device", help="cpu or cuda (default: cuda when there is one)")
    options = parser.parse_args(arguments)
    try:
        sweep = chosen(options)
        runs = sweep.runs()
        states = {name: state_of(options.results / sweep.name / name, run) for name, run in runs.items()}
    except (ConfigError, records.RecordError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2
    print(f"sweep {sweep.name}: {len(runs)} runs in {options.results / sweep.name}", file=sys.stderr)
    for name, run in runs.items():
        t, e = run.train, run.evaluation
        what = f"{t.steps:,} steps of {t.batch}, a point every {e.every:,}"
        print(f"  {name:24} {states[name]:9} {what}", file=sys.stderr)
    failed = [name for name in runs if states[name] != "finished" and not _train(sweep, name, runs[name], options)]
    if failed:
        print(f"sweep {sweep.name}: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _seeds(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


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
