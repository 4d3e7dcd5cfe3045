"""What a run's folder says of it before anything is started."""

from __future__ import annotations

from pathlib import Path

from headtohead import records
from headtohead.config import RunConfig
from headtohead.strict import ConfigError, build


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
