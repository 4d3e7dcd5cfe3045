"""Options that several commands share: designs, settings, the command that does the same again."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from headtohead.config.design import DESIGNS
from headtohead.config.parsing import ConfigError
from headtohead.utils import plugins
from headtohead.utils.cli import Parser

SETTING = re.compile(r"[a-z_0-9]+(\.[a-z_0-9]+)*=")


def add_design(parser: Parser, given: Sequence[str] | None, text: str, **options: Any) -> None:
    """Add --design, whose help lists the designs of plugins too.

    given    the command line, or None for the process's
    text     of the help, with {} for the names of all designs
    options  of add_argument
    """
    parser.load_plugins(given)
    parser.add_argument("--design", metavar="DESIGN", help=text.format(", ".join(DESIGNS)), **options)


def settings(given: Sequence[str] | None) -> dict[str, str]:
    """`KEY=VALUE ...` as overrides of a configuration; one text may hold several, quoted where values have spaces."""
    out: dict[str, str] = {}
    for text in (part for whole in given or () for part in _parts(whole)):
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise ConfigError(f"--set: expected KEY=VALUE such as head.dim=256, got {text!r}")
        if key in out:
            raise ConfigError(f"--set: {key} stands twice")
        out[key] = value
    return out


def _parts(text: str) -> list[str]:
    """The settings in a text; a text that is not all KEY=VALUE is one value with spaces."""
    try:
        parts = shlex.split(text)
    except ValueError:  # an apostrophe that nothing closes
        return [text]
    return parts if parts and all(SETTING.match(part) for part in parts) else [text]


def command(target: str, words: Mapping[str, Any]) -> str:
    """The `make` command that does the same again.

    target  of the Makefile
    words   its variables; empty ones are left out, and loaded plugins added
    """
    files = " ".join(os.path.relpath(file) for file in plugins.arguments()[1::2])
    words = {**words, "PLUGIN": files}
    return " ".join([f"make {target}", *(f"{key}={shlex.quote(str(value))}" for key, value in words.items() if value)])
