"""What a run's folder says of it before anything is started."""

from __future__ import annotations

from pathlib import Path

from headtohead import records
from headtohead.config import RunConfig
from headtohead.strict import ConfigError, build, differences


def state_of(folder: Path, config: RunConfig) -> str:
    """finished, started or new; a folder that holds another configuration is refused with what differs."""
    path = folder / records.CONFIG
    if not path.exists():
        return "new"
    (run,) = records.runs(folder)
    own = build(RunConfig, {key: value for key, value in run.config.items() if key != "hash"}, str(path))
    if own != config:  # settings that came later have their defaults
        raise ConfigError(
            f"{path}: holds another configuration ({differences(own.plain(), config.plain())}); move it away"
        )
    return "finished" if run.state["state"] == "finished" else "started"
