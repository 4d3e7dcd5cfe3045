"""Build dataclasses from plain data: an unknown, missing, mistyped or impossible value is an error of one line."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from headtohead.utils.errors import InputError

T = TypeVar("T")
UNIONS = (types.UnionType, typing.Union)


@dataclass(frozen=True)
class Bounds:
    """Least and greatest value of a whole number; of other numbers only the greatest counts, their least is 0."""

    least: int = 1
    most: int = 2**31 - 1


@dataclass(frozen=True)
class OneOf:
    """Text that must be one of some names; `what` is their kind in an error, such as "design"."""

    names: Mapping[str, Any]
    what: str


@dataclass(frozen=True)
class Rule:
    """What a value must be besides its type, as in Annotated[tuple[int, ...], Rule("whole numbers", unique)].

    expected  what an error says that is expected here; for the elements of a list as well
    problem   takes the value, returns what is wrong with it ("" = nothing)
    convert   takes the value as it was written, returns what is parsed instead; raises ValueError
    empty     whether a mapping, or a list, may be empty
    """

    expected: str = ""
    problem: Callable[[Any], str] = lambda value: ""
    convert: Callable[[Any], Any] = lambda written: written
    empty: bool = False


Zero = Annotated[int, Bounds(least=0)]
Share = Annotated[float, Bounds(most=1)]


class ConfigError(InputError):
    """The message names the place (file and key), what is wrong, and what would be right."""


def build(cls: type[T], given: Any, where: str = "", key: str = "", expected: str = "settings") -> T:
    """Build a dataclass from plain data, as YAML, JSON or the command line give it.

    cls       dataclass; its classmethod `types_by_value(given, where)`, if any, gives types of fields that depend on
              other values. Types may be dataclasses, lists, tuples, mappings, unions, with rules (Annotated)
    given     mapping of field names to plain values; text is read as the command line means it
    where     file, or "command line", that an error begins with
    key       key of `given` in that file; empty at the top
    expected  what an error says where `given` is no mapping
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"{at(where)}{f'{key}: ' * bool(key)}expected {expected}, got {_shown(given)}")
    hints = typing.get_type_hints(cls, include_extras=True)
    if decided := getattr(cls, "types_by_value", None):
        hints.update(decided(given, where))
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


def completed(cls: type, given: Mapping[str, Any], decided: Mapping[str, type]) -> dict[str, Any]:
    """Plain data of a dataclass, with its defaults where keys are missing.

    cls      dataclass
    given    what is there
    decided  types of fields that depend on other values
    """
    out, hints = dict(given), {**typing.get_type_hints(cls), **decided}
    for f in dataclasses.fields(cls):
        inner = f.name in out or f.default_factory is not dataclasses.MISSING
        if inner and dataclasses.is_dataclass(hints[f.name]) and isinstance(out.get(f.name, {}), Mapping):
            out[f.name] = completed(typing.cast(type, hints[f.name]), out.get(f.name, {}), {})
        elif f.default is not dataclasses.MISSING:
            out.setdefault(f.name, f.default)
    return out


def known(name: str, names: Mapping[str, Any], what: str, where: str = "", prefix: str = "") -> str:
    """Return the name if it is one of these; else raise an error with the nearest one.

    name    as the user gave it
    names   a table whose keys are allowed; `more` of a Registry says how to add one
    what    kind of name in the message, such as "design"
    where   file or option that holds it
    prefix  dotted key before the name
    """
    if name in names:
        return name
    near = difflib.get_close_matches(name[:80], list(names), 1)
    hint = f"did you mean {prefix}{near[0]}?" if near else f"there are {', '.join(names)}"
    raise ConfigError(f"{at(where)}unknown {what} {prefix}{name[:80] or '(empty)'}; {hint}{getattr(names, 'more', '')}")


def at(where: str) -> str:
    return f"{where}: " if where else ""


def _value(hint: Any, given: Any, where: str, key: str, expected: str = "") -> Any:
    """One value of the hinted type; `expected` is what an error says where the type's own name would say less."""
    notes = typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()
    hint = typing.get_args(hint)[0] if notes else hint
    rule = next((note for note in notes if isinstance(note, Rule)), Rule())
    bounds = next((note for note in notes if isinstance(note, Bounds)), Bounds())
    place, expected = f"{at(where)}{key}", rule.expected or expected or _type_name(hint)
    wrong = ConfigError(f"{place}: expected {expected}, got {given!r:.80}")
    try:
        value = _typed(hint, rule.convert(given), where, key, expected, wrong, rule.empty)
    except ValueError as error:
        raise error if isinstance(error, ConfigError) else ConfigError(f"{place}: {error}") from None
    for names in (note for note in notes if isinstance(note, OneOf)):
        known(value, names.names, names.what, where)
    if problem := rule.problem(value):
        raise ConfigError(f"{place}: {problem}, got {given!r:.60}")
    if hint not in (int, float):
        return value
    least, most = 0 if hint is float else bounds.least, bounds.most
    if not least <= value <= most:  # NaN is neither
        raise ConfigError(f"{place}: expected {expected} from {least} to {most}, got {given!r:.80}")
    return value


def _typed(hint: Any, given: Any, where: str, key: str, expected: str, wrong: ConfigError, empty: bool) -> Any:
    """As `_value`, without rules of its own; `wrong` is the error for a value of another type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return given
    if origin in UNIONS:
        arm = next((arm for arm in arguments if _fits(arm, given)), None)
        if arm is None:
            raise wrong
        return given if arm is type(given) else _value(arm, given, where, key, expected)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type[Any], hint), given, where, key)
    if origin is Literal or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        options = {str(o): o for o in (arguments or list(hint))}
        if not isinstance(given, str):
            raise wrong
        return options[known(given, options, f"value of {key}", where)]
    if origin in (tuple, list):  # of one type; a tuple's only element may stand alone
        several = [given] if origin is tuple and isinstance(given, (str, int, float)) else given
        if not isinstance(several, Sequence) or isinstance(several, str) or not (several or empty):
            raise wrong
        return origin(_value(arguments[0], one, where, key, expected) for one in several)
    if origin is dict:
        if not isinstance(given, Mapping) or not (given or empty):
            raise wrong
        return {
            _value(arguments[0], str(name), f"{at(where)}{key}", str(name)): _value(
                arguments[1], one, *((f"{at(where)}{key}", str(name)) if "." in str(name) else (where, f"{key}.{name}"))
            )
            for name, one in given.items()
        }
    if hint is str:
        if not isinstance(given, str):
            raise wrong
        return given
    if hint is bool:
        options = {"true": True, "false": False}
        return options[known(str(given).lower(), options, f"value of {key}", where)]
    if type(given) not in (int, str) and (type(given) is not float or hint is int):
        raise wrong
    try:
        return hint(given)
    except (ValueError, OverflowError):
        raise wrong from None


def _fits(arm: Any, given: Any) -> bool:
    """Whether a value has the shape of one type of a union."""
    arm = typing.get_args(arm)[0] if typing.get_origin(arm) is Annotated else arm
    kind = typing.get_origin(arm) or arm
    if kind is dict or dataclasses.is_dataclass(kind):
        return isinstance(given, Mapping)
    return isinstance(given, list) if kind in (list, tuple) else type(given) is kind


def _shown(given: Any) -> str:
    return "nothing" if given is None else f"{given!r:.60}"


def _type_name(hint: Any) -> str:
    several = {tuple: "text or a list of it", dict: "settings by name"}.get(typing.get_origin(hint))
    if several:
        return several
    if isinstance(hint, (type, types.GenericAlias)) and not dataclasses.is_dataclass(hint):
        return {"int": "a whole number", "float": "a number", "str": "text"}.get(hint.__name__, hint.__name__)
    return "one of " + ", ".join(map(str, typing.get_args(hint))) if typing.get_args(hint) else "settings"


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> str:
    """List the keys on which two configurations disagree, "key: OLD there, NEW here"; empty when they are equal."""
    out = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            out.append(differences(a, b, f"{prefix}{key}."))
        elif a != b:
            out.append(f"{prefix}{key}: {a} there, {b} here")
    return ", ".join(filter(None, out))
