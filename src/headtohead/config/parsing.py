"""Dataclasses from plain data, strictly: what is unknown, missing, mistyped or impossible is one clear line."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from headtohead.utils.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """Of a number; those that are not whole begin at 0."""

    least: int = 1
    most: int = 2**31 - 1


Zero = Annotated[int, Bounds(least=0)]
Share = Annotated[float, Bounds(most=1)]


class ConfigError(InputError):
    """Names the place (file and key), what is wrong, and what would be right."""


def build(cls: type[T], given: Any, where: str = "", key: str = "") -> T:
    """A dataclass from plain data: unknown and missing keys, wrong types and impossible values are one clear line."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"{at(where)}{key or 'the top level'}: expected settings, got {given!r:.80}")
    hints = typing.get_type_hints(cls, include_extras=True)
    prefix = f"{key}." if key else ""
    for name in given:
        known(str(name), hints, "key", where, prefix)
    values = {name: _value(hints[name], value, where, prefix + name) for name, value in given.items()}
    missing = [
        f.name
        for f in dataclasses.fields(cls)  # type: ignore[arg-type]
        if f.name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{at(where)}{prefix}{missing[0]}: missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{at(where)}{error}") from None


def known(name: str, names: Mapping[str, Any], what: str, where: str = "", prefix: str = "") -> str:
    """The name, if it is one of these; else an error with the nearest."""
    if name in names:
        return name
    near = difflib.get_close_matches(name[:80], list(names), 1)
    hint = f"did you mean {prefix}{near[0]}?" if near else f"there are {', '.join(names)}"
    raise ConfigError(f"{at(where)}unknown {what} {prefix}{name[:80] or '(empty)'}; {hint}")


def at(where: str) -> str:
    return f"{where}: " if where else ""


def _value(hint: Any, given: Any, where: str, key: str) -> Any:
    """One value of the hinted type; text is read as the command line means it."""
    bounds = Bounds()
    if typing.get_origin(hint) is typing.Annotated:
        hint, bounds = typing.get_args(hint)
    wrong = ConfigError(f"{at(where)}{key}: expected {_type_name(hint)}, got {given!r:.80}")
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type[Any], hint), given, where, key)
    if typing.get_origin(hint) is Literal or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        options = {str(o): o for o in (typing.get_args(hint) or list(hint))}
        if not isinstance(given, str):
            raise wrong
        return options[known(given, options, f"value of {key}", where)]
    if typing.get_origin(hint) is tuple:  # of one type, one or several
        several = [given] if isinstance(given, str) else given
        if not isinstance(several, Sequence) or not several:
            raise wrong
        return tuple(_value(typing.get_args(hint)[0], one, where, key) for one in several)
    if typing.get_origin(hint) is dict:
        if not isinstance(given, Mapping) or not given:
            raise wrong
        return {str(name): _value(typing.get_args(hint)[1], one, where, f"{key}.{name}") for name, one in given.items()}
    if hint is str:
        if not isinstance(given, str):
            raise wrong
        return given
    if hint is bool:
        options = {"true": True, "false": False}
        return options[known(str(given).lower(), options, f"value of {key}", where)]
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        raise wrong
    try:
        number = hint(given)
    except (ValueError, OverflowError):
        raise wrong from None
    if hint is int and isinstance(given, float):
        raise wrong
    least, most = 0 if hint is float else bounds.least, bounds.most
    if not least <= number <= most:  # NaN is neither
        raise ConfigError(f"{at(where)}{key}: expected {_type_name(hint)} from {least} to {most}, got {given!r:.80}")
    return number


def _type_name(hint: Any) -> str:
    several = {tuple: "text or a list of it", dict: "settings by name"}.get(typing.get_origin(hint))
    if several:
        return several
    if isinstance(hint, (type, types.GenericAlias)) and not dataclasses.is_dataclass(hint):
        return {"int": "a whole number", "float": "a number", "str": "text"}.get(hint.__name__, hint.__name__)
    return "one of " + ", ".join(map(str, typing.get_args(hint))) if typing.get_args(hint) else "settings"


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> str:
    """Which keys two configurations disagree on; empty when they are the same."""
    out = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            out.append(differences(a, b, f"{prefix}{key}."))
        elif a != b:
            out.append(f"{prefix}{key}: {a} there, {b} here")
    return ", ".join(filter(None, out))
