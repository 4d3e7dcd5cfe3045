"""What a run's folder says of it before anything is started."""

from __future__ import annotations

from pathlib import Path

from headtohead import records
from headtohead.config import RunConfig, recorded
from headtohead.strict import ConfigError, differences


def state_of(folder: Path, config: RunConfig) -> str:
    """finished, started or new; a folder that holds another configuration is refused with what differs."""
    path = folder / records.CONFIG
    if not path.exists():
        return "new"
    (run,) = records.runs(folder)
    own = recorded(run.config, str(path))
    if own != config:
        raise ConfigError(
            f"{path}: holds another configuration ({differences(own.plain(), config.plain())}); move it away"
        )
    return "finished" if run.state["state"] == "finished" else "started"
