"""Tables of declarations by name, which a user's plugin can add to: designs, heads, objectives, benchmarks, claims."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from headtohead.config.parsing import ConfigError, known
from headtohead.utils import plugins

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Declarations by name, in the order in which they were added.

    `OBJECTIVES.add("huber", ObjectiveSpec(Huber))` in a plugin makes an objective that every command knows by its name.
    """

    more = " (--plugin FILE adds others)"

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, T] | None = None,
        pattern: str = r"[\w./-]+",
        found: Callable[[], Mapping[str, T]] = dict,
    ) -> None:
        """
        kind     what an entry is, for messages: "head"
        entries  those that come with the package
        pattern  what a name may look like
        found    gives further entries of the package when the table is first read
        """
        self.kind, self._pattern, self._found = kind, re.compile(pattern), found
        self._entries: dict[str, T] = dict(entries or {})
        self._plugins: dict[str, str] = {}

    def add(self, name: str, entry: T) -> T:
        """Add a declaration under a name that is still free, and return it."""
        if not self._pattern.fullmatch(name):
            raise ConfigError(f"{self.kind} {name!r:.60}: expected a name of the form {self._pattern.pattern}")
        if name in self:
            by = f" by {self._plugins[name]}" if name in self._plugins else ""
            raise ConfigError(f"{self.kind} {name}: is registered already{by}; choose another name")
        self._entries[name] = entry
        if plugins.loading():
            self._plugins[name] = plugins.loading()
        return entry

    def find(self, name: str, where: str = "", what: str = "") -> T:
        """The declaration of a name, or an error with the nearest name.

        where  file or option that holds the name
        what   what the name is called there; the registry's kind when empty
        """
        return self[known(name, self, what or self.kind, where)]

    def plugin(self, name: str) -> str:
        """The plugin that added a name; empty for those of the package."""
        return self._plugins.get(name, "")

    def _all(self) -> dict[str, T]:
        self._entries |= self._found()
        self._found = dict
        return self._entries

    def __getitem__(self, name: str) -> T:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
