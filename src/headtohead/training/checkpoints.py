"""States that a run resumes from: the last two, each with a checksum and the configuration it belongs to.

    checkpoints/0000400.ckpt    Lightning's: weights, averages, optimizer, progress
    checkpoints/0000400.json    written last: step, size, sha256, the run's configuration, its data's fingerprint

A state without its second file was not completely written, and is not used.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from headtohead.config.parsing import ConfigError, differences
from headtohead.records.layout import CHECKPOINTS
from headtohead.utils import files
from headtohead.utils.files import patiently

KEPT = 2
BLOCK = 1 << 22


@dataclass(frozen=True)
class State:
    """A complete state on disk."""

    step: int
    path: Path
    identity: dict[str, Any]  # configuration and data

    def check(self, identity: dict[str, Any]) -> None:
        """Refuse to resume under another configuration or other data."""
        if other := differences(self.identity, identity):
            raise ConfigError(
                f"{self.path}: is of another configuration or other data ({other}); set them back, or move the run away"
            )


class Checkpoints(TorchCheckpointIO):
    """Lightning's checkpoint writer: atomic (temporary file, flushed, renamed), waits while the disk is full.

    run      the run's folder
    say      prints a line
    waiting  called with True while waiting and False at the end
    """

    def __init__(self, run: Path, say: Callable[[str], None], waiting: Callable[[bool], None]) -> None:
        self.folder, self.say, self.waiting = run / CHECKPOINTS, say, waiting
        self.identity: dict[str, Any] = {}

    def path(self, step: int) -> Path:
        return self.folder / f"{step:07d}.ckpt"

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        patiently(lambda: self._write(checkpoint, path), path, self.say, self.waiting)
        there = sorted(self.folder.glob("*.json"))
        behind = there.index(path.with_suffix(".json")) + 1  # later ones are damaged: training resumed before them
        for old in [*there[: max(0, behind - KEPT)], *there[behind:]]:
            old.unlink()
            old.with_suffix(".ckpt").unlink(missing_ok=True)

    def _write(self, checkpoint: dict[str, Any], path: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = path.with_suffix(".json")
        with files.beside(manifest) as listing, files.beside(path) as part:  # the checkpoint is renamed first
            with part.open("wb") as file:
                summed = _Summed(file)
                try:
                    torch.save(checkpoint, summed)  # type: ignore[arg-type]
                except Exception as error:
                    raise summed.failed or error from None
            about = {"step": checkpoint["global_step"], "bytes": summed.bytes, "sha256": summed.sha.hexdigest()}
            listing.write_text(json.dumps({**about, "belongs": self.identity}, indent=1))
            manifest.unlink(missing_ok=True)  # of an older state of the same step
        _flush(self.folder)


class _Summed:
    """Computes a file's checksum while it is written; keeps the system's error, which torch replaces by its own."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha, self.bytes = file, hashlib.sha256(), 0
        self.failed: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            self.file.write(data)
        except OSError as error:
            self.failed = error
            raise
        self.sha.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        self.file.flush()


def newest(run: Path, say: Callable[[str], None]) -> State | None:
    """The last complete state, or None; damaged ones are reported and skipped.

    run  the run's folder
    say  prints a line
    """
    left = sorted((run / CHECKPOINTS).glob("*.json"))
    while left:
        manifest = left.pop()
        path = manifest.with_suffix(".ckpt")
        try:
            about = json.loads(manifest.read_text())
            state = State(int(about["step"]), path, dict(about["belongs"]))
            wrong = _damage(path, int(about["bytes"]), str(about["sha256"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            wrong = f"{type(error).__name__}: {error}"
        if not wrong:
            return state
        instead = "going on from the one before" if left else "there is none before it, starting from the beginning"
        say(f"{path}: is damaged ({wrong}); {instead}")
    return None


def _damage(path: Path, size: int, sha: str) -> str:
    if path.stat().st_size != size:
        return f"{path.stat().st_size:,} bytes instead of {size:,}"
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != sha:
        return "its checksum differs"
    try:
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds, some with long messages
        return f"cannot be read as weights: {' '.join(str(error).split())[:80]}"
    return ""


def clear(run: Path) -> None:
    """Delete the states of a finished run."""
    for path in (run / CHECKPOINTS).glob("*"):
        path.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Flush file names to the disk, as renaming alone does not."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
