"""Options that several of the study's commands share: settings, and how trainings are launched."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from headtohead.config.parsing import ConfigError


def settings(given: Sequence[str] | None) -> dict[str, str]:
    """`KEY=VALUE ...` as overrides of a configuration."""
    out: dict[str, str] = {}
    for text in given or ():
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise ConfigError(f"--set: expected KEY=VALUE such as head.dim=256, got {text!r}")
        if key in out:
            raise ConfigError(f"--set: {key} stands twice")
        out[key] = value
    return out


def command(target: str, words: Mapping[str, Any]) -> str:
    """The call of make's that asks for the same again."""
    return " ".join([f"make {target}", *(f"{key}={shlex.quote(str(value))}" for key, value in words.items() if value)])
