"""YAML files that users write, read strictly: every mistake is one line with file and place."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from headtohead.config.parsing import ConfigError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
MOST_BYTES = 64_000
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")  # longer ones are no setting
_DECIMAL = re.compile(rf"{_WHOLE.pattern}|[-+]?[0-9]*\.[0-9]*([eE][-+]?[0-9]+)?")


class _Strict(yaml.SafeLoader):
    """No key twice, no aliases: the first is a mistake that YAML hides, the second can grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"line {self.peek_event().start_mark.line + 1}: aliases are not used here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            place = f"line {key_node.start_mark.line + 1}"
            if not isinstance(key, Hashable):
                raise yaml.YAMLError(f"{place}: a list or a mapping cannot be a key")
            if key in seen:
                raise yaml.YAMLError(f"{place}: key {str(key)[:60]!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_plain_number(self, node: Any) -> int | float:
        """Decimal alone: to YAML 010 is eight and 1:30 is ninety."""
        text = str(node.value)
        if not _DECIMAL.fullmatch(text):
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {text[:60]!r} is no plain decimal number")
        return int(text) if _WHOLE.fullmatch(text) else float(text)


for _kind in ("int", "float"):
    _Strict.add_constructor(f"tag:yaml.org,2002:{_kind}", _Strict.construct_plain_number)


def find(folder: Path, name: str, kind: str) -> Path:
    """The file of that name in the folder; names with path separators are refused."""
    return folder / f"{named(name, kind, str(folder))}.yaml"


def named(name: str, kind: str, where: str) -> str:
    if not NAME.fullmatch(name):
        raise ConfigError(f"{where[:200]}: {name[:80]!r} cannot be a {kind}'s name (letters, digits, _ . -)")
    return name


def load(path: Path, kind: str) -> Any:
    """The content of a YAML file; `kind` ("sweep") is what an error calls it."""
    where = str(path)
    named(path.stem, kind, where)
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise ConfigError(f"{where}: more than {MOST_BYTES:,} bytes are too many for a {kind} file")
        text = raw.decode()
    except FileNotFoundError:
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"{where}: no such {kind}; there are: {there}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: is no text") from None
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}") from None
    try:
        return yaml.load(text, _Strict)  # a subclass of SafeLoader
    except RecursionError:
        raise ConfigError(f"{where}: is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())[:200]}") from None
