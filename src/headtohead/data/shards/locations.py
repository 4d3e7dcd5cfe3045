"""Addresses of shards: folders, globs and brace patterns, on this machine or on any file system that fsspec supports.

Local addresses stay plain paths in messages. A bucket's package (s3fs, gcsfs) and credentials are set up as fsspec
describes.
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
STREAMED = 8 << 20  # bytes of a read while the headers of a remote shard are walked
# Names under which file systems report a mark that changes with a file's content; the first one present counts.
MARKS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created", "modified")


class ShardError(InputError):
    """Data that cannot be used; the message begins with its address."""


class Stamp(NamedTuple):
    """Size and modification mark of a file."""

    size: int
    mark: str


def braces(pattern: str) -> list[str]:
    """Expand `a{00..02}b{x,y}` as a shell does, in order."""
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
    """The shards that folders, globs, brace patterns and addresses name: each once, sorted."""
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
    elif not path.endswith(ENDING) and _call(address, fs.isdir, path):
        found = [p for p in fs.find(path) if p.endswith(ENDING)]
    else:
        found = [path]
    if not found:
        raise ShardError(f"{address}: no shards (*{ENDING}) there")
    if "::" in address and found != [path]:
        raise ShardError(f"{address}: behind :: only single shards and brace patterns can be named")
    return [p if local else address if "::" in address else fs.unstrip_protocol(p) for p in found]


def resolve(address: str) -> tuple[Any, str]:
    """The file system of an address and the path in it. For each process anew: connections do not survive a fork."""
    try:
        fs, path = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise ShardError(f"{address}: {_short(error)}") from None
    return fs, path


def _call(address: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a file system; its many kinds of errors become a ShardError."""
    try:
        return function(*args, **kwargs)
    except FileNotFoundError:
        raise ShardError(f"{address}: no such file") from None
    except Exception as error:  # each file system has its own kinds
        raise ShardError(f"{address}: {_short(error)}") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def is_local(address: str) -> bool:
    return isinstance(resolve(address)[0], LocalFileSystem)


def stamp(address: str) -> Stamp:
    """Size and modification mark, read without a cache."""
    fs, path = resolve(address)
    if isinstance(fs, LocalFileSystem):
        stat = _call(address, os.stat, path)
        return Stamp(stat.st_size, str(stat.st_mtime_ns))
    fs.invalidate_cache()
    info = _call(address, fs.info, path)
    if info.get("size") is None:
        raise ShardError(f"{address}: its server does not report its size, so random access is impossible")
    return Stamp(int(info["size"]), next((str(info[m]) for m in MARKS if info.get(m)), ""))


def stream(address: str) -> BinaryIO:
    """Open a file for one read from beginning to end."""
    fs, path = resolve(address)
    if isinstance(fs, LocalFileSystem):
        return cast(BinaryIO, _call(address, open, path, "rb"))
    return cast(BinaryIO, _call(address, fs.open, path, "rb", block_size=STREAMED, cache_type="readahead"))


def read(address: str, start: int = 0, stop: int | None = None) -> bytes | None:
    """Bytes `start` to `stop` of a file; None if it does not exist."""
    fs, path = resolve(address)
    try:
        return cast(bytes, fs.cat_file(path, start=start, end=stop))
    except FileNotFoundError:
        return None
    except Exception as error:  # each file system has its own kinds
        raise ShardError(f"{address}: {_short(error)}") from None


def write(address: str, data: bytes) -> None:
    """Write a file atomically, where the file system can."""
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
    """Address of a shard's index: beside it, or in `folder`, under a hash of the shard's own folder."""
    if not folder:
        return shard + ".index"
    parent, _, name = shard.rpartition("/")
    return f"{folder.rstrip('/')}/{hashlib.sha256(parent.encode()).hexdigest()[:12]}/{name}.index"
