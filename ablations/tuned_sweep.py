"""What a search chose, as a sweep file: each design with its best trial's settings, and what the search was allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from ablations.spec import Tuned
from headtohead import files
from headtohead.strict import ConfigError

FROM = "# Chosen by study "


def writable(path: Path, study: str) -> Path:
    """The file, unless people or another study wrote what is there."""
    if path.exists() and not path.read_text(errors="replace").startswith(f"{FROM}{study} "):
        raise ConfigError(f"{path}: is there already and not of study {study}; --write gives another name")
    return path


def write(
    path: Path, tuned: Tuned, command: str, scale: str, chosen: Mapping[str, Mapping[str, Any]], kept: Mapping[str, Any]
) -> None:
    made: dict[str, Any] = {"designs": list(chosen), "seeds": [0, 1, 2], "scale": scale}
    made |= {"set": dict(kept)} if kept else {}
    made |= {"chosen": {design: dict(values) for design, values in chosen.items()}, "tuned": asdict(tuned)}
    text = (
        f"{FROM}{tuned.study} in {tuned.storage}:\n"
        f"# the best of {tuned.trials} trials of each design, {tuned.objective}. Written by\n"
        f"# {command}\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    files.whole(path, (text + yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=110)).encode())
