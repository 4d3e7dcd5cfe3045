"""Where shards lie: folders, globs, brace patterns, on this machine or behind any address that fsspec knows.

Addresses of this machine stay plain paths in every message; what a bucket needs beyond (s3fs, credentials) is the
user's own and is configured as fsspec says.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from headtohead.utils.errors import InputError
from headtohead.utils.files import whole

ENDING = ".tar"
STREAMED = 8 << 20  # bytes that a far shard is read by while its headers are walked
# What file systems call the mark that changes with a file's content; the first that there is.
MARKS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created", "modified")


class ShardError(InputError):
    """Data that cannot be used: one line that begins with its address."""


class Stamp(NamedTuple):
    """What a file was when it was looked at."""

    size: int
    mark: str


def braces(pattern: str) -> list[str]:
    """`a{00..02}b{x,y}` told out, in order, as shells do."""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if not found:
        return [pattern]
    span = re.fullmatch(r"(\d+)\.\.(\d+)", found[1])
    if span:
        low, high = span[1], span[2]
        if int(low) > int(high):
            raise ShardError(f"{pattern}: {{{found[1]}}} runs backwards")
        width = max(len(low), len(high)) if "0" in (low[0], high[0]) else 0
        inner = [f"{n:0{width}d}" for n in range(int(low), int(high) + 1)]
    else:
        inner = found[1].split(",")
    return [pattern[: found.start()] + part + rest for part in inner for rest in braces(pattern[found.end() :])]


def shards(data: Sequence[str]) -> list[str]:
    """The addresses that DATA means, each once, in sorted order."""
    out: set[str] = set()
    for pattern in data:
        for address in braces(pattern):
            out.update(_found(address))
    return sorted(out)


def _found(address: str) -> list[str]:
    fs, path = resolve(address)
    local = isinstance(fs, LocalFileSystem)
    if any(c in path for c in "*?["):
        found = [p for p in fs.glob(path) if not p.endswith(".index")]
    elif not path.endswith(ENDING) and _answer(address, fs.isdir, path):
        found = [p for p in fs.find(path) if p.endswith(ENDING)]
    else:
        found = [path]
    if not found:
        raise ShardError(f"{address}: no shards (*{ENDING}) there")
    if "::" in address and found != [path]:
        raise ShardError(f"{address}: behind :: only single shards and brace patterns can be named")
    return [p if local else address if "::" in address else fs.unstrip_protocol(p) for p in found]


def resolve(address: str) -> tuple[Any, str]:
    """The file system of an address and the path in it; asked anew in every process, since connections do not fork."""
    try:
        fs, path = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise ShardError(f"{address}: {_short(error)}") from None
    return fs, path


def _answer(address: str, ask: Any, *args: Any, **kwargs: Any) -> Any:
    """What a file system answers; its many errors become one line."""
    try:
        return ask(*args, **kwargs)
    except FileNotFoundError:
        raise ShardError(f"{address}: no such file") from None
    except Exception as error:  # each file system has its own kinds
        raise ShardError(f"{address}: {_short(error)}") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def is_local(address: str) -> bool:
    return isinstance(resolve(address)[0], LocalFileSystem)


def stamp(address: str) -> Stamp:
    fs, path = resolve(address)
    if isinstance(fs, LocalFileSystem):
        told = _answer(address, os.stat, path)
        return Stamp(told.st_size, str(told.st_mtime_ns))
    fs.invalidate_cache()
    info = _answer(address, fs.info, path)
    if info.get("size") is None:
        raise ShardError(f"{address}: its server does not tell its size, so it cannot be read at random")
    return Stamp(int(info["size"]), next((str(info[m]) for m in MARKS if info.get(m)), ""))


def stream(address: str) -> BinaryIO:
    """For one walk from the beginning to the end."""
    fs, path = resolve(address)
    if isinstance(fs, LocalFileSystem):
        return cast(BinaryIO, _answer(address, open, path, "rb"))
    return cast(BinaryIO, _answer(address, fs.open, path, "rb", block_size=STREAMED, cache_type="readahead"))


def read(address: str, start: int = 0, stop: int | None = None) -> bytes | None:
    """The bytes from start to stop, or None where there is no such file."""
    fs, path = resolve(address)
    try:
        return cast(bytes, fs.cat_file(path, start=start, end=stop))
    except FileNotFoundError:
        return None
    except Exception as error:  # each file system has its own kinds
        raise ShardError(f"{address}: {_short(error)}") from None


def write(address: str, data: bytes) -> None:
    """All of it or nothing: a reader never meets half a file."""
    fs, path = resolve(address)
    try:
        if not isinstance(fs, LocalFileSystem):
            fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            fs.pipe_file(path, data)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        whole(Path(path), data)
    except Exception as error:  # each file system has its own kinds
        raise ShardError(f"{address}: cannot be written ({_short(error)})") from None


def index_of(shard: str, folder: str = "") -> str:
    """Where a shard's index lies: beside it, or in a folder where shards of one name from two places do not meet."""
    if not folder:
        return shard + ".index"
    parent, _, name = shard.rpartition("/")
    return f"{folder.rstrip('/')}/{hashlib.sha256(parent.encode()).hexdigest()[:12]}/{name}.index"
