"""Plugins: Python files of a user's own, whose import adds designs, heads, objectives, benchmarks, metrics or claims.

A command loads the files that `--plugin FILE` names, and installed packages that declare the entry point group
`headtohead.plugins`. Processes that it starts load the same files: their paths stand in the environment.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from headtohead.utils.errors import InputError

Reference = str | Callable[..., Any]  # a class or function, or "package.module:name"
GROUP, VARIABLE = "headtohead.plugins", "HEADTOHEAD_PLUGINS"
_loaded: dict[str, str] = {}  # the first 16 digits of a file's SHA-256 by the plugin's name
_paths: dict[str, Path] = {}
_loading: list[str] = []


def loading() -> str:
    """The name of the plugin whose import is under way; empty outside of one."""
    return _loading[-1] if _loading else ""


def loaded() -> dict[str, str]:
    """The loaded plugins: the first 16 digits of the file's SHA-256 by the plugin's name."""
    return dict(_loaded)


def arguments() -> list[str]:
    """The options with which another process loads the same files."""
    return [word for path in _paths.values() for word in ("--plugin", str(path))]


def load(files: Iterable[str | Path] = ()) -> None:
    """Import installed plugins, those of the parent process, and these files, each of them once."""
    for point in entry_points(group=GROUP):
        if point.name not in _loaded:
            with _importing(point.name, f"plugin {point.name}"):
                spec = importlib.util.find_spec(point.module)
                _loaded[point.name] = _hash(Path(spec.origin)) if spec and spec.origin else ""
                point.load()
    inherited = os.environ.get(VARIABLE, "")
    for file in [*filter(None, inherited.split(os.pathsep)), *files]:
        _load(Path(file))


def _load(file: Path) -> None:
    path, name = file.resolve(), file.name
    if _paths.get(name) == path:
        return
    if name in _loaded:
        raise InputError(f"--plugin {file}: {_paths.get(name, 'an installed plugin')} has the same name; rename one")
    if file.suffix != ".py" or not path.is_file():
        raise InputError(f"--plugin {file}: {'no such file' if not path.exists() else 'is no Python file (.py)'}")
    module = f"headtohead_plugin_{file.stem}"  # workers find its classes by this name
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec
    assert spec.loader
    with _importing(name, f"--plugin {file}"):
        made = importlib.util.module_from_spec(spec)
        sys.modules[module] = made
        spec.loader.exec_module(made)
        _loaded[name], _paths[name] = _hash(path), path
    os.environ[VARIABLE] = os.pathsep.join(map(str, _paths.values()))


@contextmanager
def _importing(name: str, where: str) -> Iterator[None]:
    """Whatever a plugin raises becomes one line that names its file and the line in it."""
    _loading.append(name)
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except (Exception, SystemExit) as error:
        own = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == name]
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else (own[-1] if own else None)
        at = f"line {line}: " if line else ""
        raise InputError(f"{where}: {at}{type(error).__name__}: {' '.join(str(error).split())[:200]}") from None
    finally:
        _loading.pop()


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def same(begun: Mapping[str, str], where: str) -> None:
    """Refuse to go on with a run without its plugins, or with other versions of them.

    begun  hashes by name, as the run's record holds them
    where  the record
    """
    if not isinstance(begun, Mapping):
        raise InputError(f"{where}: plugins: expected hashes by name, got {begun!r:.80}")
    for name, sha256 in begun.items():
        if name not in _loaded:
            raise InputError(f"{where}: the run needs the plugin {name}; give it with --plugin")
        if _loaded[name] != sha256:
            hashes = f"SHA-256 {sha256} there, {_loaded[name]} here"
            raise InputError(f"{where}: the plugin {name} has changed since the run was begun ({hashes}); restore it")


def resolved(reference: Reference) -> Callable[..., Any]:
    """The class or function; a module that is only named is imported here."""
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
