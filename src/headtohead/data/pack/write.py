"""Pictures and captions into tar shards with their indices, and the mix file that names them.

A shard's file appears once it is whole, and a second run continues with the shards that are missing.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import signal
import tarfile
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from headtohead.data.order import permutation
from headtohead.data.pack.listing import Picture, refuse
from headtohead.data.shards import build_index
from headtohead.data.shards.build_index import Report
from headtohead.data.shards.images import PictureError, opened
from headtohead.data.shards.locations import ShardError
from headtohead.utils import files
from headtohead.utils.errors import InputError
from headtohead.utils.processes import processes

PLAN, MIX = "pack.json", "mix.yaml"


def pack(
    pictures: list[Picture], out: Path, *, per_shard: int = 1000, workers: int = 1, skip: bool = False,
    quiet: bool = True,
) -> Report:  # fmt: skip
    """Write shards, their indices and the mix file that names them; return what the indices hold.

    pictures   what to pack; their order is shuffled, the same way every time
    out        folder of the shards; it continues what an interrupted run of the same pictures left
    per_shard  samples a shard
    workers    processes
    skip       leave out pictures that do not decode instead of raising
    """
    _begin(pictures, out, per_shard)
    several = any(len(p.captions) > 1 for p in pictures)
    shuffled = [pictures[k] for k in permutation(len(pictures), 0)]
    tasks = [
        (out / f"{shard:05d}.tar", start, shuffled[start : start + per_shard], several, skip)
        for shard, start in enumerate(range(0, len(shuffled), per_shard))
    ]
    todo = [task for task in tasks if not task[0].exists()]
    problems = []
    with tqdm(total=len(pictures), initial=len(pictures) - sum(len(t[2]) for t in todo), unit="picture",
              disable=quiet or not todo) as bar:  # fmt: skip
        for samples, wrong in _all(todo, workers):
            problems += wrong
            bar.update(samples)
    refuse(problems, skip)
    shards = [str(task[0]) for task in tasks if task[0].exists()]
    if not shards:
        raise InputError(f"{out}: none of the {len(pictures):,} pictures decodes")
    report = build_index.build(shards, workers=workers)
    report.check(0.0)
    corpus = {"data": str(out.resolve()), "captions": "json:captions" if several else "txt"}
    text = "# Written by make pack; sweeps/mixes/example.yaml shows every key.\n"
    files.whole(out / MIX, (text + yaml.safe_dump({"corpora": {_name(out.name): corpus}})).encode())
    return report


def _begin(pictures: list[Picture], out: Path, per_shard: int) -> None:
    """Record what is packed, or check that the folder holds a part of exactly that."""
    stats = [(str(p.path.resolve()), p.captions, p.path.stat().st_size, p.path.stat().st_mtime_ns) for p in pictures]
    plan = {"pictures": len(pictures), "per_shard": per_shard, "fingerprint": files.fingerprint([stats, per_shard])}
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (out / PLAN).exists():
            if json.loads((out / PLAN).read_text()) != plan:
                raise InputError(f"{out}: holds shards of other pictures, captions or sizes; name another folder")
        elif any(out.glob("*.tar")):
            raise InputError(f"{out}: holds shards that were not packed here; name another folder")
        files.whole(out / PLAN, json.dumps(plan, indent=1).encode() + b"\n")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"{out / PLAN}: damaged; remove {out}") from None


def _all(tasks: list[tuple[Path, int, list[Picture], bool, bool]], workers: int) -> Iterator[tuple[int, list[str]]]:
    if workers == 1 or len(tasks) < 2:
        yield from (_shard(*task) for task in tasks)
        return
    with processes(min(workers, len(tasks))) as pool:
        try:
            yield from pool.map(_in_worker, *zip(*tasks, strict=True))
        except BrokenProcessPool:
            raise ShardError("a process was killed, perhaps for lack of memory; the same command continues") from None


class _Left(Exception):
    """The shard is not written: it would hold a damaged picture, or nothing."""


def _shard(path: Path, first: int, pictures: list[Picture], several: bool, skip: bool) -> tuple[int, list[str]]:
    """Write one shard unless a picture of it is damaged (and not skipped); the number of its pictures, and damage."""
    problems: list[str] = []
    with contextlib.suppress(_Left), files.beside(path) as part:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, picture in enumerate(pictures, first):
                data = picture.path.read_bytes()
                try:
                    opened(data)
                except PictureError as error:
                    problems.append(f"{picture.path}: {error}")
                    continue
                key = f"{number:08d}-{re.sub(r'[^A-Za-z0-9_-]+', '_', picture.path.stem)[:48]}"
                text = json.dumps({"captions": picture.captions}) if several else picture.captions[0]
                _add(tar, key + picture.path.suffix.lower(), data)
                _add(tar, f"{key}.{'json' if several else 'txt'}", text.encode())
        if len(problems) == len(pictures) or (problems and not skip):
            raise _Left
    return len(pictures), problems


def _in_worker(*task: Any) -> tuple[int, list[str]]:
    """Ctrl-C reaches the parent too, which ends the pool; the shard at hand is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _shard(*task)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _name(text: str) -> str:
    return re.sub(r"\W+", "_", text) or "packed"
